"""What a user chose comes back, whoever else writes into the file."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.tui.choices import Choices, GridChoice, load, place

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.lists(TEXT, max_size=4)
GRIDS = st.builds(
    GridChoice,
    columns=IDS,
    widths=st.dictionaries(TEXT, st.integers(0, 999), max_size=3),
    sort=TEXT,
    reverse=st.booleans(),
)
CHOICES = st.builds(
    Choices,
    theme=TEXT,
    grids=st.dictionaries(TEXT, GRIDS.filter(lambda grid: grid != GridChoice())),
    filters=st.dictionaries(TEXT, TEXT, max_size=4),
    history=IDS,
    keys=st.dictionaries(TEXT, TEXT, max_size=4),
    pane=st.integers(-1, 999),
    toured=st.booleans(),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "tuiq" / "ui.toml"


@given(CHOICES)
def test_what_was_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, choices: Choices
) -> None:
    choices.path = tmp_path_factory.mktemp("home") / "ui.toml"
    assert choices.save() == ""
    assert load(choices.path) == choices


@given(before=CHOICES, after=CHOICES)
def test_saving_again_leaves_nothing_of_before(
    tmp_path_factory: pytest.TempPathFactory, before: Choices, after: Choices
) -> None:
    path = tmp_path_factory.mktemp("home") / "ui.toml"
    before.path = path
    assert before.save() == ""
    changed = load(path)
    for name in ("theme", "grids", "filters", "history", "keys", "pane", "toured"):
        setattr(changed, name, getattr(after, name))
    assert changed.save() == ""
    after.path = path
    assert load(path) == after


def test_the_file_is_private_and_its_folder_is_made(path: Path) -> None:
    choices = load(path)
    assert choices.complaints == []
    choices.theme = "mono"
    assert choices.save() == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["ui.toml"]


def test_two_uis_do_not_undo_each_others_choices(path: Path) -> None:
    one, other = load(path), load(path)
    one.filters["quota"] = "err:quota"
    other.filters["old"] = "age>2d"
    other.theme = "postcard"
    assert (one.save(), other.save()) == ("", "")
    one.pane = 9
    del one.filters["quota"]
    assert one.save() == ""
    found = load(path)
    assert (found.theme, found.pane) == ("postcard", 9)
    assert found.filters == {"old": "age>2d"}


def test_what_this_version_does_not_know_stays(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(
        'later = 1\n[hosts]\n"mx*" = "red"\n[grids.messages]\nlater = [1]\n'
        'sort = "age"\n[new.kind]\nof = "table"\n'
    )
    choices = load(path)
    assert choices.complaints == []
    assert choices.hosts == {"mx*": "red"}
    choices.grid("messages").sort = ""
    choices.theme = "mono"
    assert choices.save() == ""
    assert tomllib.loads(path.read_text()) == {
        "later": 1,
        "hosts": {"mx*": "red"},
        "grids": {"messages": {"later": [1]}},
        "new": {"kind": {"of": "table"}},
        "theme": "mono",
    }


COMMENTED = """\
# My choices.
theme = "mono"  # easy on the eyes

# Never without these:
[keys]
hold = "f5"  # as in the old tool
"un # quoted" = '''no # comment'''

[grids.messages]  # wide screens
# the order of the day
sort = "age"  # oldest first
columns = [
    "id",  # always first
    "age",
]
# The end.
"""


def test_comments_outlive_every_change(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(COMMENTED)
    choices = load(path)
    choices.theme = "postcard"
    choices.filters["old"] = "age>2d"
    choices.keys["flush"] = "f6"
    assert choices.save() == ""
    changed = path.read_text()
    before = changed.partition("# The end.")[0]
    for line in COMMENTED.replace("mono", "postcard").splitlines()[:-1]:
        assert line in before, "where it was"
    choices.theme = ""
    choices.keys.clear()
    choices.grids.clear()
    assert choices.save() == ""
    emptied = path.read_text()
    for comment in ("My choices.", "easy on the eyes", "Never without these:",
                    "as in the old tool", "wide screens", "the order of the day",
                    "oldest first", "always first", "The end."):  # fmt: skip
        assert emptied.count(f"# {comment}") == 1
    assert "# quoted" not in emptied
    assert tomllib.loads(emptied) == {"filters": {"old": "age>2d"}}


@given(before=CHOICES, after=CHOICES, data=st.data())
def test_no_comment_is_ever_lost(
    tmp_path_factory: pytest.TempPathFactory,
    before: Choices,
    after: Choices,
    data: st.DataObject,
) -> None:
    before.path = path = tmp_path_factory.mktemp("home") / "ui.toml"
    assert before.save() == ""
    lines = path.read_text().split("\n") if path.exists() else []
    wanted = data.draw(st.sets(st.integers(0, len(lines))))
    for at in sorted(wanted, reverse=True):
        lines.insert(at, f"#comment-{at}.")
    path.write_text("\n".join(lines))
    changed = load(path)
    for name in ("theme", "grids", "filters", "history", "keys", "pane", "toured"):
        setattr(changed, name, getattr(after, name))
    assert changed.save() == ""
    after.path = path
    assert load(path) == after
    text = path.read_text()
    assert all(text.count(f"#comment-{at}.") == 1 for at in wanted)


def test_what_cannot_be_changed_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer's faults must not reach what people wrote."""
    path.parent.mkdir(parents=True)
    path.write_text(COMMENTED)
    choices = load(path)
    choices.theme = "postcard"
    monkeypatch.setattr("tomlkit.TOMLDocument.as_string", lambda _self: "theme = 1")
    assert "cannot be changed as it is written" in choices.save()
    assert path.read_text() == COMMENTED


@pytest.mark.parametrize(
    "damage", [b"theme = \xff", b"[", b"\0", b"x=" + b"[" * 5000, b"#" * (1 << 21)]
)
def test_a_damaged_file_is_set_aside_and_told_of(path: Path, damage: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    choices = load(path)
    (complaint,) = choices.complaints
    (aside,) = path.parent.iterdir()
    assert aside.name.startswith("ui.toml.damaged-")
    assert aside.name in complaint
    assert aside.read_bytes() == damage
    choices.theme = "mono"
    assert choices.save() == ""
    assert load(path).theme == "mono"


def test_a_file_damaged_meanwhile_is_set_aside_when_saving(path: Path) -> None:
    choices = load(path)
    choices.theme = "mono"
    assert choices.save() == ""
    path.write_text("[")
    choices.pane = 5
    assert "damaged" in choices.save()
    # What somebody else destroyed is not made up for; what was chosen now is kept.
    assert load(path).pane == 5


def test_a_value_of_the_wrong_kind_is_told_of_and_left(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(
        'pane = "nine"\ntheme = "mono"\nhistory = [1]\ntoured = 1\nfilters = 3\n'
        "[keys]\nhold = 1\n[grids]\na = 1\n[grids.b]\nreverse = 1\nwidths = {x = true}"
    )
    choices = load(path)
    assert choices.theme == "mono"
    assert choices.pane == 0
    told = "\n".join(choices.complaints)
    for what in ("pane", "history", "toured", "filters", "keys.hold", "grids.a",
                 "grids.b.reverse", "grids.b.widths.x"):  # fmt: skip
        assert f": {what} must be" in told
    choices.theme = ""
    assert choices.save() == ""
    assert 'pane = "nine"' in path.read_text()


def test_a_folder_that_cannot_be_written_costs_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    choices = Choices(path=tmp_path / "file" / "ui.toml", theme="mono")
    complaint = choices.save()
    assert "not a directory" in complaint
    assert "lasts until tuiq ends" in complaint


def test_text_that_no_file_can_hold_costs_a_sentence(path: Path) -> None:
    choices = Choices(path=path, filters={"x": "\udc80"})
    assert str(path) in choices.save()
    assert not path.exists()


def test_a_file_that_is_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles" / "ui.toml"
    kept.parent.mkdir()
    path.parent.mkdir(parents=True)
    path.symlink_to(kept)
    choices = load(path)
    choices.theme = "mono"
    assert choices.save() == ""
    assert path.is_symlink()
    assert 'theme = "mono"' in kept.read_text()


def test_what_people_write_is_not_touched(path: Path) -> None:
    path.parent.mkdir(parents=True)
    written = path.with_name("tuiq.toml")
    written.write_text("# mine\n[spool]\npath = '/x' # here\n")
    before = written.read_bytes(), written.stat().st_mtime_ns
    choices = load(path)
    choices.theme = "mono"
    choices.save()
    assert (written.read_bytes(), written.stat().st_mtime_ns) == before


def test_without_a_path_nothing_is_written() -> None:
    assert Choices(theme="mono").save() == ""


def test_root_keeps_its_hands_off_other_peoples_homes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = path.parent.parent.parent.stat().st_uid
    if owner == 0:
        os.chown(path.parent.parent.parent, 12345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    choices = load(path)
    assert choices.path is None
    assert "is not root's" in choices.complaints[0]
    choices.theme = "mono"
    assert choices.save() == ""
    assert not path.exists()


def test_the_history_keeps_the_latest_hundred_once_each() -> None:
    choices = Choices()
    for number in range(150):
        choices.remember(f"age>{number}h")
    choices.remember("age>100h")
    assert len(choices.history) == 100
    assert choices.history[-1] == "age>100h"
    assert choices.history.count("age>100h") == 1


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CONFIG_HOME": "/c"}, "/c/tuiq/ui.toml"),
        ({}, "~/.config/tuiq/ui.toml"),
    ],
)
def test_choices_lie_where_settings_lie(environ: dict[str, str], expected: str) -> None:
    assert place(environ) == Path(expected).expanduser()
