"""``tuiq``: find out what is asked for and load no more than that needs.

Called as ``sendmail``, ``mailq`` or ``newaliases`` (by a symlink), it is that program.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from typing import TYPE_CHECKING

import tuiq
from tuiq import config
from tuiq.cli.commands import COMMANDS, GROUPS
from tuiq.cli.diagnostics import ExitCode, guarded
from tuiq.errors import NoConfig, UsageError
from tuiq.log import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_PROGRAMS = {
    "sendmail": "tuiq.cli.sendmail",
    "newaliases": "tuiq.cli.sendmail",
    "mailq": "tuiq.cli.mailq",
}
_USAGE = """\
usage: tuiq [--read-only] [...]  see the queue and act on it, on one screen
       tuiq COMMAND ...           COMMAND --help tells what it takes
       tuiq --run [--once] [-v]   deliver: until stopped, or once what is due
       tuiq --run --once --max-messages N    so many, in turns
       tuiq --version
"""
_ON_SCREEN = """\
On the screen (tuiq without a command):
  --read-only      look, and change nothing
  --theme NAME     wear a theme; Ctrl+T shows all
  --ascii          draw lines, signs and plots with ASCII alone
  --low-bandwidth  256 colours, one update a second, no plots
  --mouse          let the mouse click and scroll; M changes that
"""
_UI_FLAGS = ("read_only", "ascii", "low_bandwidth", "mouse")


def main() -> int:
    """Run the command line of this process; return the exit status."""
    module = _PROGRAMS.get(os.path.basename(sys.argv[0]))
    if module:
        return _program(module)
    return guarded(lambda: dispatch(sys.argv[1:]))


def dispatch(arguments: list[str]) -> int:
    """Do what *arguments* ask for; return the exit status."""
    if arguments[:1] == ["sendmail"]:
        return _sendmail(arguments[1:], None)
    options = _global_parser().parse_args(arguments)
    word, *rest = options.words or [""]
    if options.help or options.version:
        print(help_text() if options.help else f"tuiq {tuiq.__version__}")
        return ExitCode.OK
    _check_ui_flags(options, word)
    if options.run:
        return _run(options, options.words)
    run_only = (options.max_messages, options.while_fd)
    if options.once or options.verbose or run_only != (None, None):
        raise UsageError(
            "--once, --max-messages and -v belong to --run; see tuiq --help"
        )
    if word == "sendmail":
        return _sendmail(rest, options.config)
    return _command(word, rest, options.config) if word else _open(options)


def help_text() -> str:
    """Return the overview of all words."""
    lines = [_USAGE]
    for title, words in GROUPS.items():
        lines.append(f"{title}:")
        lines += [f"  {word:<10} {command.about}" for word, command in words.items()]
        lines.append("")
    lines.append(_ON_SCREEN)
    lines.append(
        "All take --config FILE. Without it the settings come from $TUIQ_CONFIG, else\n"
        "./tuiq.toml, else ~/.config/tuiq/tuiq.toml, else /etc/tuiq/tuiq.toml."
    )
    return "\n".join(lines)


def _parser_class() -> type[argparse.ArgumentParser]:
    """Return argparse's parser with errors that go the way of all errors."""
    import argparse
    from typing import NoReturn

    class Parser(argparse.ArgumentParser):
        """A parser that raises instead of exiting."""

        def error(self, message: str) -> NoReturn:
            raise UsageError(f"{message}; see {self.prog} --help")

    return Parser


def _global_parser() -> argparse.ArgumentParser:
    """Return the parser of what may stand before the word."""
    parser = _parser_class()(prog="tuiq", add_help=False, allow_abbrev=False)
    parser.add_argument("--config", metavar="FILE")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--max-messages", metavar="N", type=_positive)
    # For programs that start a runner of their own; see tuiq.runner.lifeline.
    parser.add_argument("--while-fd", metavar="FD", type=_positive)
    parser.add_argument("-v", "--verbose", action="store_true")
    for flag in _UI_FLAGS:
        parser.add_argument(f"--{flag.replace('_', '-')}", action="store_true")
    parser.add_argument("--theme", metavar="NAME", default="")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("words", nargs="...")
    return parser


def _positive(text: str) -> int:
    """Return a number of messages, or a descriptor that is not standard input."""
    import argparse

    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _program(module: str) -> int:
    """Run a program of its own, which reads ``sys.argv`` itself."""
    status: int = importlib.import_module(module).main()
    return status


def _sendmail(rest: list[str], file: str | None) -> int:
    """Run sendmail with *rest* as its arguments, every one of them."""
    if file:
        os.environ["TUIQ_CONFIG"] = os.path.abspath(file)
    sys.argv[:] = ["sendmail", *rest]
    return _program("tuiq.cli.sendmail")


def _run(options: argparse.Namespace, words: list[str]) -> int:
    """Run the delivery process."""
    if words:
        raise UsageError(f"--run takes no {words[0]!r}; see tuiq --help")
    if options.max_messages is not None and not options.once:
        raise UsageError("--max-messages belongs to --run --once; see tuiq --help")
    service = importlib.import_module("tuiq.runner.service")
    status: int = service.run(
        config.load(options.config),
        once=options.once,
        verbose=options.verbose,
        max_messages=options.max_messages,
        while_fd=options.while_fd,
    )
    return status


def _command(word: str, rest: list[str], file: str | None) -> int:
    """Run the command behind *word*."""
    command = COMMANDS.get(word)
    if command is None:
        raise UsageError(_unknown(word))
    module = importlib.import_module(command.module)
    about = f"{command.about[:1].upper()}{command.about[1:]}."
    parser = _parser_class()(prog=f"tuiq {word}", description=about, allow_abbrev=False)
    parser.set_defaults(command=word)
    parser.add_argument(
        "--config", metavar="FILE", default=file, help="the tuiq.toml to go by"
    )
    module.register(parser)
    args = parser.parse_args(rest)
    loader: Callable[[], config.Config] = functools.cache(
        functools.partial(config.load, args.config)
    )
    status: int = module.run(args, loader)
    return status


def _unknown(word: str) -> str:
    """Return the complaint about a word that is no command."""
    import difflib

    if word.startswith("-"):
        return f"there is no option {word}; see tuiq --help"
    near = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"there is no command {word!r}; {hint}see tuiq --help"


def _check_ui_flags(options: argparse.Namespace, word: str) -> None:
    """Refuse what only the UI takes where something else is asked for."""
    given = [flag for flag in (*_UI_FLAGS, "theme") if getattr(options, flag)]
    if given and (word or options.run):
        flag = given[0].replace("_", "-")
        raise UsageError(f"--{flag} belongs to tuiq without a command; see tuiq --help")


def _open(options: argparse.Namespace) -> int:
    """Open the UI; where there is no terminal or nothing set up, say how to begin."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _greet(options.config)
    try:
        settings = config.load(options.config)
    except NoConfig:
        return _greet(options.config)
    world = importlib.import_module("tuiq.tui.world")
    start = importlib.import_module("tuiq.tui.start")
    flags = {flag: getattr(options, flag) for flag in _UI_FLAGS}
    status: int = start.run(settings, world.Options(theme=options.theme, **flags))
    return status


def _greet(file: str | None) -> int:
    """Say where the spool is and what to do next; raise ConfigError for a wrong one."""
    try:
        settings = config.load(file)
    except NoConfig as error:
        lines = [
            str(error),
            "",
            "tuiq demo         see it work, nothing to set up",
            "tuiq init DIR     make a spool",
        ]
    else:
        smarthost = settings.delivery.smarthost
        lines = [
            f"spool     {settings.spool_path}",
            f"settings  {settings.source}",
            f"smarthost {smarthost or 'none: nothing is delivered'}",
            "",
            "tuiq              on a terminal: all of it on one screen",
            "tuiq mailq        what is in the queue",
            "tuiq status       what the runner is doing",
            "tuiq --run        deliver",
        ]
    print(f"tuiq {tuiq.__version__}, a mail queue you can see and trust\n")
    print("\n".join(map(printable, lines)))
    print("tuiq --help       everything else")
    return ExitCode.OK
