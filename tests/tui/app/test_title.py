"""The title says where you are, how fresh it is, who delivers and how much there is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.tui.app.desk import opened
from tests.tui.world import HOSTILE, NOW
from tuiq.actions.circumstances import Circumstances
from tuiq.spool.entry import State
from tuiq.spool.pauses import Pause, Scope
from tuiq.spool.status import Connection, DestinationStatus, RunnerStatus
from tuiq.tui.bars import title_parts
from tuiq.tui.bars.parts import Part
from tuiq.tui.index.feed import FeedState, Freshness
from tuiq.tui.stillness import Frozen

if TYPE_CHECKING:
    from pathlib import Path

    from tuiq.tui.world import World


def forms(part: Part) -> list[str]:
    return ["".join(text for text, _ in spans) for spans in part.forms]


def fresh(state: FeedState, frozen: Frozen | None = None) -> str:
    return forms(title_parts.fresh_part(state, frozen, float(NOW)))[0]


LIVE = FeedState(freshness=Freshness.LIVE)
POLLED = FeedState(freshness=Freshness.POLLING, interval=15.0, polled="nfs4", backlog=3)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (LIVE, "● live"),
        (FeedState(freshness=Freshness.LIVE, backlog=1200), "● live, 1,200 behind"),
        (FeedState(freshness=Freshness.SCANNING, share=0.42), "◐ rescan 42 %"),
        (FeedState(freshness=Freshness.SCANNING, read=212_000), "◐ scan 212,000"),
        (FeedState(freshness=Freshness.POLLING, interval=15.0), "○ poll 15 s"),
        (POLLED, "○ poll 15 s: nfs4, 3 behind"),
        (FeedState(freshness=Freshness.STALE, backlog=9), "⚠ stale, 9 behind"),
        (
            FeedState(freshness=Freshness.STALE, scanned=NOW - 7200.0),
            "⚠ stale, listed 2 h ago",
        ),
    ],
)
def test_freshness_is_a_word(state: FeedState, said: str) -> None:
    assert fresh(state) == said


def test_why_a_directory_is_polled_is_said_where_there_is_room() -> None:
    part = title_parts.fresh_part(POLLED, None, float(NOW))
    assert forms(part)[1:] == ["○ poll 15 s: nfs4", "○ poll 15 s"]


def test_a_frozen_display_says_since_when_and_what_waits() -> None:
    frozen = Frozen(since=NOW - 32.0, changes=310)
    assert fresh(LIVE, frozen) == "❄ frozen 32 s, 310 changes waiting"
    shorter = forms(title_parts.fresh_part(LIVE, frozen, float(NOW)))
    assert shorter[2:] == ["❄ frozen 32 s", "❄ 32 s"]
    one = Frozen(since=NOW - 32.0, changes=1)
    assert fresh(LIVE, one) == "❄ frozen 32 s, 1 change waiting"
    frozen = Frozen(since=NOW - 32.0, changes=None)
    assert fresh(LIVE, frozen) == "❄ frozen 32 s, many changes waiting"


def test_the_pause_of_the_spool_is_counted_down() -> None:
    pause = Pause(
        scope=Scope.SPOOL,
        file="spool",
        who="ops",
        until=NOW + 899,
        reason=f"upgrade {HOSTILE}",
    )
    (part,) = title_parts.pause_parts(pause, float(NOW))
    long, *_, short = forms(part)
    assert long.startswith("⏸ paused by ops, 14:59 left: upgrade ")
    assert "\x1b" not in long
    assert short == "⏸ paused"
    (part,) = title_parts.pause_parts(
        Pause(scope=Scope.SPOOL, file="spool"), float(NOW)
    )
    assert forms(part)[0] == "⏸ paused, until resumed"
    assert title_parts.pause_parts(None, float(NOW)) == []


def test_the_runner_is_told_with_connections_in_use_and_allowed() -> None:
    runner = RunnerStatus(
        name="supervisor",
        connections=(Connection(destination="a", phase="data", since=0.0),) * 12,
        destinations=(DestinationStatus(name="a", limit=20),),
        alive=True,
    )
    around = Circumstances(now=float(NOW), runners=(runner,))
    assert forms(title_parts.runner_part(around, ""))[0] == "runner ▶ 12/20"
    nobody = Circumstances(now=float(NOW))
    assert forms(title_parts.runner_part(nobody, ""))[0] == "runner ■ none"
    killed = Circumstances(now=float(NOW), runners=(replace(runner, alive=False),))
    assert forms(title_parts.runner_part(killed, ""))[0] == "runner ■ died"
    died = forms(title_parts.runner_part(nobody, "died: exit status 78"))
    assert died[0] == "runner ■ none (died: exit status 78)"
    assert forms(title_parts.runner_part(nobody, "draining"))[0] == "runner draining"


def test_totals_name_what_there_is_and_what_is_always_asked_for() -> None:
    tally = {State.DEFERRED: 460_655, State.HELD: 145, State.DOUBT: 2}
    tally[State.TRASHED] = 10
    said = [forms(part)[0] for part in title_parts.total_parts(tally, 460_812)]
    assert said == [
        "q 460,802", "act 0", "def 460,655", "hold 145", "doubt 2", "trash 10",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "wanted", "gone"),
    [
        ((160, 24), ["tuiq", "mx1.example.net", "…/", "q 12", "hold 1"], []),
        ((100, 24), ["mx1", "● live", "runner ■ none", "q 12", "damaged 1"], []),
        ((80, 24), ["mx1", "● live", "■ none", "q 12", "act 0"], [".example.net"]),
        ((60, 20), ["mx1", "● live", "q 12", "doubt 1"], ["paused"]),
        ((39, 7), ["q 12"], []),
    ],
)
async def test_the_title_shrinks_by_importance(
    tmp_path: Path, size: tuple[int, int], wanted: list[str], gone: list[str]
) -> None:
    async with opened(tmp_path, size=size, rows=True) as desk:
        await desk.until(lambda: "q 12" in desk.lines[0])  # the trash was read
        title = desk.lines[0]
        assert [word for word in wanted if word not in title] == []
        assert [word for word in gone if word in title] == []
        assert len(title) == size[0]


async def test_a_host_can_have_a_word_and_colours_of_its_own(tmp_path: Path) -> None:
    def mark(world: World) -> None:
        world.choices.hosts = {
            "mx1.*": {"style": "#ffffff on #aa0000", "label": "PRODUCTION"}
        }

    async with opened(tmp_path, prepare=mark) as desk:
        assert "mx1.example.net PRODUCTION" in desk.lines[0]
        strip = desk.app.title_bar.render_line(0)
        styles = [s.style for s in strip if "PRODUCTION" in s.text]
        assert [style.bgcolor.name for style in styles if style and style.bgcolor] == [
            "#aa0000"
        ]


async def test_ascii_means_every_line(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True, ascii=True) as desk:
        for key in "123456":
            await desk.press(key)
            strange = {char for char in desk.screen if not char.isascii()}
            assert strange <= {"\n"}, key
