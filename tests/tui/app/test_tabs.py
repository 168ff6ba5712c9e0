"""Beside the screens stand the rates, of messages that come and recipients served."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.tui.app.desk import opened
from tuiq.tui.bars.tabs import Tabs
from tuiq.tui.live.lookout import Lookout

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_what_is_sent_are_the_recipients_whose_servers_took_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as desk:
        lookout = desk.app.world.lookout
        rates = {"in": 2.0, "out": 3.0, "delivered": 400.0, "failed": 7.0}
        sight = replace(lookout.sight, rates=rates)
        monkeypatch.setattr(Lookout, "sight", property(lambda _self: sight))
        parts = desk.app.screen.query_one(Tabs)._rates(80)
        said = ["".join(text for text, _ in part.forms[0]) for part in parts]
    assert said[0].startswith("in 2.0/s ")
    assert said[1].startswith("sent 400/s ")
