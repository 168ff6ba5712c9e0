"""The wheel holds what an installed tuiq needs, and the metadata say the truth."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tuiq

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Build the wheel without touching the network."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as opened:
        yield opened


def tracked(folder: str) -> set[str]:
    """Return the files below *folder* that belong in the wheel."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".pyo"}
    }


def test_the_wheel_holds_every_module_and_data_file(wheel: zipfile.ZipFile) -> None:
    assert tracked("tuiq") - set(wheel.namelist()) == set()


def test_the_themes_become_part_of_the_package(wheel: zipfile.ZipFile) -> None:
    themes = {f"tuiq/{name}" for name in tracked("themes")}

    assert themes
    assert themes - set(wheel.namelist()) == set()


def test_the_wheel_holds_no_tests(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert tops == {"tuiq", f"tuiq-{tuiq.__version__}.dist-info"}


def test_the_commands_are_installed(wheel: zipfile.ZipFile) -> None:
    name = f"tuiq-{tuiq.__version__}.dist-info/entry_points.txt"

    assert wheel.read(name).decode().split("\n\n")[0].splitlines() == [
        "[console_scripts]",
        "tuiq = tuiq.cli.main:main",
        "tuiq-mailq = tuiq.cli.mailq:main",
        "tuiq-sendmail = tuiq.cli.sendmail_plain:main",
    ]


def test_every_top_level_entry_is_a_known_one() -> None:
    known = {
        "CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml",
        "tests", "themes", "tuiq",
    }  # fmt: skip
    seen = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    assert seen - known == set()


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()


def test_libraries_whose_next_major_version_may_break_us_are_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    pins = {line for line in project["dependencies"] if "," in line}
    assert pins == {
        "aiosmtplib>=5.1.3,<5.2",
        "dnspython>=2.6,<3",
        "prometheus-client>=0.22,<1",
        "textual>=8.2,<9",
        "watchdog>=7.1,<8",
    }
