"""The dispatcher finds the word, loads only its module and explains itself."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import tuiq
from tuiq.cli.commands import COMMANDS
from tuiq.cli.diagnostics import guarded
from tuiq.cli.main import dispatch, main
from tuiq.tui.world import Options

if TYPE_CHECKING:
    from pathlib import Path

    from tuiq.config import Config

MINIMAL = '[spool]\nqueues = "q.*"\n[delivery]\nsmarthost = "mail.example.org"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tuiq.toml"
    path.write_text(MINIMAL)
    return path


def run(*arguments: str) -> int:
    return guarded(lambda: dispatch(list(arguments)))


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0

    text = capsys.readouterr().out
    assert [word for word in COMMANDS if f"\n  {word} " not in text] == []


def test_help_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    run("--help")

    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"tuiq {tuiq.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["hodl"], "did you mean hold?"),
        (["xyzzy"], "there is no command 'xyzzy'; see tuiq --help"),
        (["--frobnicate"], "--frobnicate; see tuiq --help"),
        (["--once"], "--once, --max-messages and -v belong to --run"),
        (["--run", "mailq"], "--run takes no 'mailq'"),
        (["--read-only", "mailq"], "--read-only belongs to tuiq without a command"),
        (["--run", "--theme", "x"], "--theme belongs to tuiq without a command"),
        (["config", "--nosuch"], "see tuiq config --help"),
        (["\x1b[2J"], r"no command '\x1b[2J'"),
    ],
)
def test_a_wrong_command_line_is_64_with_the_remedy(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 64

    output = capsys.readouterr()
    assert says in output.err
    assert output.err.count("\n") == 1
    assert output.out == ""


def test_a_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("config", "--help")

    assert ended.value.code == 0
    assert "Show every setting in effect." in capsys.readouterr().out


def test_config_may_stand_on_either_side_of_the_word(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--config", str(config), "config") == 0
    before = capsys.readouterr().out
    assert run("config", "--config", str(config)) == 0

    assert capsys.readouterr().out == before


def test_config_prints_a_file_that_means_the_same(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("config", "--config", str(config))
    printed = capsys.readouterr().out
    assert f'smarthost = "mail.example.org:25"            # {config}\n' in printed
    copy = tmp_path / "copy.toml"
    copy.write_text(printed)

    run("config", "--config", str(copy))

    def values(text: str) -> list[str]:
        return [line.partition(" #")[0] for line in text.splitlines()]

    assert values(capsys.readouterr().out) == values(printed)


def test_config_as_json_has_four_members_a_line(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("config", "--json", "--config", str(config))

    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {tuple(row) for row in rows} == {("section", "key", "value", "where")}
    assert {
        "section": "delivery",
        "key": "smarthost",
        "value": "mail.example.org:25",
        "where": str(config),
    } in rows
    assert {
        "section": "retry",
        "key": "lifetime",
        "value": 432000.0,
        "where": "default",
    } in rows


def test_a_broken_configuration_is_78(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(MINIMAL + "concurency = 3\n")

    assert run("config", "--config", str(config)) == 78
    assert capsys.readouterr().err == (
        f"tuiq: {config}: delivery.concurency: there is no such setting; "
        "did you mean concurrency?\n"
    )


def test_alone_it_says_how_to_begin(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tuiq.config.loader.SYSTEM_FILE", tmp_path / "none")

    assert run() == 0
    assert "tuiq init DIR" in capsys.readouterr().out


def test_alone_it_says_where_the_spool_is(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--config", str(config)) == 0

    text = capsys.readouterr().out
    assert f"spool     {config.parent}\n" in text
    assert "smarthost mail.example.org:25\n" in text


def test_alone_on_a_terminal_it_opens_the_ui(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    opened: list[object] = []

    def start(settings: Config, options: Options) -> int:
        opened.extend((settings.source, options))
        return 5

    fake = SimpleNamespace(run=start)
    monkeypatch.setitem(sys.modules, "tuiq.tui.start", fake)

    assert run("--config", str(config), "--read-only", "--theme", "mono") == 5
    assert opened == [config, Options(read_only=True, theme="mono")]


def test_alone_on_a_terminal_without_a_spool_it_says_how_to_begin(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tuiq.config.loader.SYSTEM_FILE", tmp_path / "none")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    assert run() == 0
    assert "tuiq init DIR" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("program", "arguments", "seen"),
    [
        ("/usr/sbin/sendmail", ["-t", "-i"], ["/usr/sbin/sendmail", "-t", "-i"]),
        ("newaliases", [], ["newaliases"]),
        ("tuiq", ["sendmail", "--", "-x"], ["sendmail", "--", "-x"]),
        ("tuiq", ["--config", "f", "sendmail", "-v"], ["sendmail", "-v"]),
        ("tuiq", ["sendmail", "--config", "f"], ["sendmail", "--config", "f"]),
    ],
)
def test_sendmail_gets_its_arguments_as_they_are(
    program: str,
    arguments: list[str],
    seen: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    monkeypatch.setenv("TUIQ_CONFIG", "")
    called: list[list[str]] = []

    def sendmail() -> int:
        called.append(list(sys.argv))
        return 7

    fake = SimpleNamespace(main=sendmail)
    monkeypatch.setitem(sys.modules, "tuiq.cli.sendmail", fake)

    assert main() == 7
    assert called == [seen]


def test_where_nothing_is_set_up_the_first_steps_are_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("TUIQ_CONFIG", raising=False)
    monkeypatch.setattr("tuiq.config.loader.SYSTEM_FILE", tmp_path / "none")

    assert run() == 0
    assert "tuiq demo" in capsys.readouterr().out


def test_a_configuration_that_cannot_be_used_is_no_fresh_start(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("[nonsense]\n")

    assert run("--config", str(config)) == 78
    assert run("--config", str(config.with_name("missing.toml"))) == 78
    told = capsys.readouterr()
    assert "there is no such section" in told.err
    assert "no such file" in told.err
    assert not told.out


@pytest.mark.parametrize("word", sorted(COMMANDS.keys() - {"sendmail"}))
def test_every_word_explains_itself(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        dispatch([word, "--help"])

    assert ended.value.code == 0
    assert f"usage: tuiq {word} " in capsys.readouterr().out
