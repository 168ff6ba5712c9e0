"""Find the configuration file, read it and validate it, once.

``sendmail`` does this on every call: nothing here is imported that it does not need.
"""

from __future__ import annotations

import os
import stat
import tomllib
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuiq.config import glance
from tuiq.config.kinds import Misplaced, unknown
from tuiq.config.settings import SECTIONS, Config
from tuiq.errors import ConfigError, NoConfig

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SYSTEM_FILE = Path(glance.SYSTEM_FILE)
_LARGEST = 1024 * 1024


def load(
    path: Path | str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
    sections: Collection[str] = tuple(SECTIONS),
) -> Config:
    """Return the configuration in *path*, else in the first file that there is.

    Other *sections* than these stay at their defaults, whatever the file says.
    The search: ``$TUIQ_CONFIG``, ``./tuiq.toml``, the user's, the system's.
    Raises ConfigError, which names the file, the key and the remedy.
    """
    here = Path.cwd() if cwd is None else cwd
    source = here / (path or find(environ=environ, cwd=here))
    return parse(_read(source), source=source, wanted=sections)


def find(*, environ: Mapping[str, str], cwd: Path) -> Path:
    """Return the file that counts when none is named on the command line."""
    named = environ.get("TUIQ_CONFIG")
    if named:
        return Path(named)
    local = cwd / "tuiq.toml"
    if os.path.lexists(local):
        _refuse_planted(local)
        return local
    home = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    candidates = [Path(home) / "tuiq" / "tuiq.toml", SYSTEM_FILE]
    for candidate in candidates:
        if os.path.exists(candidate):  # False too where it may not be looked at
            return candidate
    raise NoConfig(
        "tuiq.toml",
        "",
        f"there is none here, nor {candidates[0]} nor {candidates[1]}; make a spool "
        "with tuiq init DIR, or name the file with --config FILE or TUIQ_CONFIG",
    )


def _refuse_planted(path: Path) -> None:
    """Refuse a file that root merely came across and that somebody else controls."""
    if os.geteuid() != 0:
        return
    # What a symlink points at may be root's; the link itself chose it.
    looks = [os.lstat(path)]
    with suppress(OSError):  # dangling: reading it will say so
        looks.append(os.stat(path))
    for found in looks:
        loose = not stat.S_ISLNK(found.st_mode) and found.st_mode & 0o022
        if found.st_uid not in (0, os.getuid()) or loose:
            raise ConfigError(
                str(path),
                "",
                "root does not follow a file that others can change, just because it "
                f"lies in the current directory; name it with --config {path}, or "
                f"chown root {path} and chmod go-w {path}",
            )


def _read(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        remedy = "make a spool with tuiq init DIR, or name another file with --config"
        raise ConfigError(str(path), "", f"{reason}; {remedy}") from error
    if len(raw) > _LARGEST:
        raise ConfigError(str(path), "", "larger than 1 MiB; is it the right file?")
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigError(str(path), "", f"not valid TOML: {error}") from error


def parse(
    tables: Mapping[str, Any],
    *,
    source: Path,
    wanted: Collection[str] = tuple(SECTIONS),
) -> Config:
    """Return the configuration that *tables* describe; *source* is for relative
    paths and for errors."""
    for name in tables:
        if name not in SECTIONS:
            raise ConfigError(str(source), name, unknown("section", name, SECTIONS))
    if "spool" not in tables:
        missing = 'the section [spool] with queues = "q.*" is missing'
        raise ConfigError(str(source), "spool", missing)
    sections = {
        name: _section(name, tables[name], source=source)
        for name in SECTIONS
        if name in tables and name in wanted
    }
    given = frozenset((name, key) for name in sections for key in tables[name])
    config = Config(**sections, source=source, given=given)
    _check_together(config)
    return config


def _section(name: str, table: object, *, source: Path) -> Any:
    """Return one section's dataclass."""
    if not isinstance(table, dict):
        reason = f"is a section; write [{name}] on a line of its own"
        raise ConfigError(str(source), name, reason)
    settings = {field.name: field.metadata["kind"] for field in fields(SECTIONS[name])}
    values = {}
    for key, raw in table.items():
        where = f"{name}.{key}"
        if key not in settings:
            raise ConfigError(str(source), where, unknown("setting", key, settings))
        try:
            values[key] = settings[key].parse(raw, source.parent)
        except (ValueError, RuntimeError) as error:  # RuntimeError: ~nobody
            at = error.at if isinstance(error, Misplaced) else ""
            raise ConfigError(str(source), where + at, str(error)) from error
    if name == "submission" and values.get("hostname") == "":
        del values["hostname"]
    if name == "spool" and "queues" not in values:
        reason = 'missing; name the queue directories: queues = "q.*"'
        raise ConfigError(str(source), "spool.queues", reason)
    return SECTIONS[name](**values)


def _check_together(config: Config) -> None:
    """Refuse settings that contradict each other."""
    delivery, retry = config.delivery, config.retry
    contradictions = [
        (
            retry.min_backoff > retry.max_backoff,
            "retry.min_backoff",
            "longer than retry.max_backoff; lower it or raise the other",
        ),
        (
            delivery.tls_verify and delivery.tls == "none",
            "delivery.tls_verify",
            'there is no certificate to check with tls = "none"; choose another tls',
        ),
        (
            bool(delivery.username) and delivery.password_file is None,
            "delivery.username",
            "needs delivery.password_file, the file that holds the password",
        ),
        (
            delivery.password_file is not None and not delivery.username,
            "delivery.password_file",
            "needs delivery.username, the name to log in with",
        ),
    ]
    for wrong, key, reason in contradictions:
        if wrong:
            raise ConfigError(str(config.source), key, reason)
    if delivery.routes:
        _check_routes(config)


def _check_routes(config: Config) -> None:
    from tuiq.config import route_kinds  # sendmail mostly does without

    delivery = config.delivery
    try:
        route_kinds.check(delivery.routes, delivery.pools, delivery.smarthost)
    except Misplaced as error:
        key = f"delivery.routes{error.at}"
        raise ConfigError(str(config.source), key, str(error)) from error
