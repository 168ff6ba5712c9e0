from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tuiq.spool.fs import OsFs

if TYPE_CHECKING:
    from pathlib import Path


def test_threads_that_list_one_directory_each_see_every_name(tmp_path: Path) -> None:
    """Listing moves the position of an open directory; nobody may share it."""
    names = {f"{number:04}" for number in range(3000)}
    for name in names:
        (tmp_path / name).touch()
    fs = OsFs()
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)

    def listed(_: int) -> bool:
        return set(fs.listdir(fd)) == {name for name, _ in fs.scan(fd)} == names

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(listed, range(60)))
    os.close(fd)
