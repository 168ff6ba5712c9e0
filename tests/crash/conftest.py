"""The explorers print what they tried through the figures of all tests."""

from __future__ import annotations

from tests.conftest import Report

__all__ = ["Report"]
