"""The tour's steps, without a screen."""

from __future__ import annotations

from tuiq.tui.commands import COMMANDS
from tuiq.tui.tour import STEPS, Tour, _named


def test_every_step_names_commands_that_exist() -> None:
    for step in STEPS:
        assert step.until <= COMMANDS.keys()
        assert set(_named(step.text)) <= COMMANDS.keys()
        assert step.until & set(_named(step.text)), step.text


def test_only_the_command_that_a_step_waits_for_takes_the_tour_on() -> None:
    tour = Tour(may_act=True)
    before = tour.line

    assert not tour.performed("quit")
    assert tour.line == before
    assert tour.performed("down")
    assert tour.line != before


def test_doing_all_that_is_asked_ends_the_tour() -> None:
    tour = Tour(may_act=True)
    for step in STEPS:
        assert not tour.is_over
        assert tour.performed(min(step.until))

    assert tour.is_over
    assert tour.line == ""


def test_the_tour_of_a_read_only_ui_changes_nothing() -> None:
    tour = Tour(may_act=False)
    seen = set()
    while not tour.is_over:
        seen.add(tour.line.partition("  ")[2])
        tour.performed("tour-next")

    assert not any("Hold what" in text or "Take it back" in text for text in seen)


def test_the_tour_names_keys_as_they_are_mapped() -> None:
    tour = Tour(may_act=True, key_of=lambda command: f"<{command}>")

    assert "[<down>]" in tour.line
    assert "{" not in tour.line


def test_a_tour_can_be_ended_at_any_step() -> None:
    tour = Tour(may_act=True)
    tour.performed("down")

    assert tour.performed("tour-end")
    assert tour.is_over
