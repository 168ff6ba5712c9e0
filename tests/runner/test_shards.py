"""One directory shared by several processes: each sees its own messages alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.runner.world import DATA, World, until
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.runner.intake import Intake
from tuiq.runner.keeper import Keeper
from tuiq.spool.drop import submit_to_drop
from tuiq.spool.suspect import clear_suspect, mark_suspect

if TYPE_CHECKING:
    from collections.abc import Callable


def mine(queue_id: str) -> bool:
    """Share messages out by the last character of their ids."""
    return queue_id[-1] in "02468ACEGJMPRTWY"


def intake_of(world: World, wake: Callable[[], None] = lambda: None) -> Intake:
    directories = list(world.spool.directories)
    keeper = Keeper(world.spool, directories, responsible=False)
    return Intake(world.spool, directories, keeper, wake=wake, once=False, mine=mine)


def listed(intake: Intake) -> set[str]:
    found = set()
    while item := intake.due.pop(4e9):
        found.add(item[1])
    return found


async def test_a_scan_lists_no_message_of_another_process(world: World) -> None:
    ids = {world.submit() for _ in range(20)}
    intake = intake_of(world)
    await intake.rescan()
    assert listed(intake) == set(filter(mine, ids))


async def test_an_event_lists_no_message_of_another_process(world: World) -> None:
    woken = asyncio.Event()
    intake = intake_of(world, woken.set)
    intake.start_watching()
    try:
        await intake.rescan()
        ids = {world.submit() for _ in range(20)}
        expected, found = set(filter(mine, ids)), set[str]()

        def look() -> bool:
            intake.take_events()
            found.update(listed(intake))
            return found >= expected

        await until(look)
        assert found == expected
    finally:
        intake.close()


def test_only_the_responsible_process_takes_drop_files_in(
    make_world: Callable[..., World],
) -> None:
    world = make_world(drop=True)
    envelope = Envelope(sender=b"me@x.invalid", recipients=(Recipient(address=b"a@b"),))
    submit_to_drop(world.path, envelope, (DATA,))
    directories = list(world.spool.directories)
    other = Keeper(world.spool, directories, responsible=False)
    other.housekeep()
    assert not world.ids()
    assert "drop" not in other.watched()
    Keeper(world.spool, directories).housekeep()
    assert len(world.ids()) == 1


def test_others_leave_a_suspect_directory_until_it_is_cleared(world: World) -> None:
    world.submit()
    place, elsewhere = world.spool.directories[0], world.other.directories[0]
    mark_suspect(world.other.run_fd, elsewhere, "a test")
    keeper = Keeper(world.spool, [place], responsible=False)
    keeper.housekeep()
    assert "suspect" in place.blocked
    assert clear_suspect(world.other.run_fd, elsewhere).is_done
    keeper.heed_suspicion()
    assert not place.blocked


def test_a_directory_found_suspect_here_stays_blocked(world: World) -> None:
    place = world.spool.directories[0]
    keeper = Keeper(world.spool, [place], responsible=False)
    keeper.suspect(place, "a test")
    keeper.heed_suspicion()
    clear_suspect(world.other.run_fd, world.other.directories[0])
    keeper.heed_suspicion()
    assert "a sync failed" in place.blocked
