"""Tables and JSON lines."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tuiq.actions.json_text import json_line, text
from tuiq.cli.render import Column, table


@given(st.text())
def test_a_json_line_is_printable_ascii_and_loses_nothing(value: str) -> None:
    line = json_line(value)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == value


@given(st.binary())
def test_any_bytes_fit_into_json(raw: bytes) -> None:
    assert isinstance(json.loads(json_line(text(raw))), str)


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    columns = [Column(title="NAME"), Column(title="N", right=True), Column(title="X")]
    rows = [["a", "1", ""], ["longer", "1000", "x"]]
    assert list(table(columns, rows)) == [
        "NAME       N  X",
        "a          1",
        "longer  1000  x",
    ]


def test_a_table_without_rows_is_its_heading() -> None:
    assert list(table([Column(title="A"), Column(title="B")], [])) == ["A  B"]
