"""A theme that somebody wrote is used, or one sentence says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.style import Style

from tuiq.errors import ConfigError
from tuiq.tui.look import themes
from tuiq.tui.look.appearance import Appearance, textual_theme
from tuiq.tui.look.colours import MILLIONS
from tuiq.tui.look.roles import Role
from tuiq.tui.look.theme import Theme, parse_style
from tuiq.tui.look.theme_file import read

GOOD = (themes.folder() / "tuiq-dark.toml").read_text()


def written(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def mine(old: str = "", new: str = "") -> str:
    text = GOOD.replace('name = "tuiq-dark"', 'name = "mine"')
    assert old in text
    return text.replace(old, new, 1) if old else text


def test_a_users_theme_joins_and_replaces(tmp_path: Path) -> None:
    written(tmp_path, mine())
    other = GOOD.replace("Quiet slate with a teal accent", "my own")
    written(tmp_path, other, "tuiq-dark")
    found = themes.collect(themes.folder(), tmp_path).themes
    assert found["mine"].styles == themes.shipped().themes["tuiq-dark"].styles
    assert found["tuiq-dark"].description == "my own"
    assert len(found) == len(themes.shipped().themes) + 1


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("[", "", "not valid TOML"),
        ("\udcff", "", "not valid TOML"),
        ("#" * (1 << 17), "", "larger than 64 KiB"),
        (GOOD, "name", "must be the file's own, 'mine'"),
        (mine("dark = true", "dark = 1"), "dark", "true or false"),
        (mine("dark = true", "drak = true"), "drak", "no part of a theme"),
        (mine('ink = "#d5dde5"', 'ink = "#d5dde"'), "colors.ink", "no colour"),
        (mine('ink = "#d5dde5"', "ink = 3"), "colors.ink", "must be a text"),
        (mine('bad = "red bold"', 'bad = "rde bold"'), "roles.bad", "'rde' is no"),
        (mine('bad = "red bold"', 'bad = "red on"'), "roles.bad", "no colour"),
        (mine('bad = "red bold"', 'bad = "red ink"'), "roles.bad", "second colour"),
        (mine('bad = "red bold"', ""), "roles.bad", "missing"),
        (mine('bad = "red bold"', 'bda = "red"'), "roles.bda", "no such role"),
        (mine("[roles]", "[hosts]\nx = 'rde'\n[roles]"), "hosts", "'rde' is no"),
        (mine("[roles]", "[hosts.x]\ncolor = 'r'\n[roles]"), "hosts", "style and"),
        ("roles = 3\nname='mine'", "roles", "must be a table"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, text: str, key: str, reason: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as raised:
        read(path)
    assert raised.value.key == key
    assert reason in raised.value.reason
    (complaint,) = themes.collect(tmp_path).complaints
    assert complaint == f"{raised.value}; this theme is left out"


def test_a_folder_that_is_not_there_holds_no_themes(tmp_path: Path) -> None:
    assert themes.collect(tmp_path / "none").themes == {}


def test_a_style_is_written_in_words() -> None:
    colors = {"ink": "#102030", "own": "ansi_default"}
    assert parse_style("ink on own bold", colors) == Style.parse(
        "bold #102030 on default"
    )
    assert parse_style("ansi_bright_red reverse", {}) == Style.parse(
        "bright_red reverse"
    )
    assert parse_style("", {}) == Style()
    for text in ("red", "ansi_grey50", "ansi_color(3)", "#12", "on"):
        with pytest.raises(ValueError, match="no colour"):
            parse_style(text, {})


def test_the_theme_worn_is_one_that_the_terminal_can_show(tmp_path: Path) -> None:
    for depth, asked, worn in [
        (MILLIONS, "", "tuiq-dark"),
        (256, "postcard", "postcard"),
        (256, "no such", "tuiq-dark"),
        (16, "postcard", "ansi16"),
        (16, "mono", "mono"),
        (0, "ansi16", "mono"),
        (MILLIONS, "mono", "mono"),
    ]:
        appearance = Appearance(collection=themes.shipped(), depth=depth)
        assert appearance.resolve(asked) == worn
        assert appearance.palette(asked).name == worn
    nothing = Appearance(collection=themes.collect(tmp_path), depth=256)
    assert nothing.palette("tuiq-dark").name == ""
    assert nothing.palette("tuiq-dark")[Role.BAD] == Style()


@pytest.mark.parametrize(
    "theme", themes.shipped().themes.values(), ids=lambda theme: theme.name
)
def test_dialogs_wear_the_colours_of_the_roles(theme: Theme) -> None:
    variables = textual_theme(theme).to_color_system().generate()
    variables |= textual_theme(theme).variables
    ground = theme.styles[Role.TEXT].bgcolor
    assert ground is not None
    own = ground.triplet.hex if ground.triplet else "ansi_default"
    assert variables["background"].lower() == own
    assert variables["surface"].lower() == own


def test_the_title_bar_knows_production_by_its_name() -> None:
    appearance = Appearance(collection=themes.shipped(), depth=256)
    hosts = {
        "*.test": "green",
        "MX*.example.net": {"style": "bright on red bold", "label": "PRODUCTION"},
    }
    accent = appearance.host_accent(hosts, "mx1.example.NET", "tuiq-dark")
    assert accent is not None
    assert accent.label == "PRODUCTION"
    assert accent.style == Style.parse("bold #ffffff on #ff8a80")
    plain = appearance.host_accent(hosts, "mx1.test", "tuiq-dark")
    assert plain is not None
    assert (plain.label, plain.style) == ("", Style.parse("#7fd88f"))
    assert appearance.host_accent(hosts, "elsewhere", "tuiq-dark") is None
    with pytest.raises(ValueError, match="knows style and label, no 'color'"):
        appearance.host_accent({"x": {"color": "red"}}, "x", "tuiq-dark")


@pytest.mark.parametrize("theme", themes.shipped().themes)
def test_production_is_noticed_in_every_theme(theme: str) -> None:
    appearance = Appearance(collection=themes.shipped(), depth=MILLIONS)
    hosts = {"mx*": {"style": "ground on red bold", "label": "PRODUCTION"}}
    accent = appearance.host_accent(hosts, "mx1", theme)
    assert accent is not None
    assert accent.label == "PRODUCTION"
    assert accent.style.bgcolor is not None or accent.style.reverse


def test_a_theme_may_know_hosts_too(tmp_path: Path) -> None:
    written(tmp_path, mine("[roles]", '[hosts]\n"mx*" = "red"\n[roles]'))
    appearance = Appearance(collection=themes.collect(tmp_path), depth=256)
    accent = appearance.host_accent({}, "mx1", "mine")
    assert accent is not None
    assert accent.style == Style.parse("#ff8a80")


def test_what_a_theme_says_of_itself_is_harmless(tmp_path: Path) -> None:
    text = mine("Quiet slate", "\\u001b]0;owned\\u0007")
    hosts = '[hosts]\nx = { label = "\\u001b" }\n[roles]'
    theme = read(written(tmp_path, text.replace("[roles]", hosts)))
    assert theme.description.startswith("\\x1b]0;owned\\x07")
    assert theme.hosts["x"].label == "\\x1b"


def test_a_theme_that_is_not_worn_says_why() -> None:
    appearance = Appearance(collection=themes.shipped(), depth=16)
    assert appearance.why_not("") == appearance.why_not("ansi16") == ""
    assert appearance.why_not("x\x1b") == (
        'there is no theme "x\\x1b"; there are ansi16, mono'
    )
    assert appearance.why_not("postcard") == (
        "theme postcard needs 256 colours, and this terminal has 16; ansi16 is worn "
        "instead"
    )
    bare = Appearance(collection=themes.shipped(), depth=0)
    assert "this terminal has none; mono" in bare.why_not("postcard")
