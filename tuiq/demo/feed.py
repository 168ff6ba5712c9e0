"""The mail of a demo on its way into the spool, and what an operator does with it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tuiq.actions import verbs
from tuiq.actions.actor import Actor
from tuiq.actions.selection import freeze
from tuiq.demo.mail import (
    HOSTILE_SUBJECT,
    NEWSLETTER_SIZE,
    first_samples,
    later_samples,
    newsletter,
    reminders,
)
from tuiq.log import printable
from tuiq.spool import Verb

if TYPE_CHECKING:
    from tuiq.demo.mail import Sample
    from tuiq.demo.scene import Scene
    from tuiq.spool import Spool

LATER = 15
"""Messages that come in while the newsletter goes out."""
_HARMLESS = printable(HOSTILE_SUBJECT)
_ABOUT = {
    "hold": "held by an operator: no attempt until it is released",
    "delete": "deleted by an operator: in the trash for a day, undo brings it back",
}


class Feed:
    """Hands mail in, one message after the other."""

    def __init__(self, spool: Spool, scene: Scene) -> None:
        """Hand in at *spool*, and tell about it in *scene*."""
        self._spool = spool
        self._scene = scene
        self._later = later_samples()
        self.message_ids: dict[str, str] = {}
        """Of all that was handed in, by queue id."""

    async def first(self) -> None:
        """Hand in what lies in the queue before the runner starts."""
        for sample in first_samples():
            await self._submit(sample)

    async def newsletter(self) -> None:
        """Hand in the newsletter."""
        begun = time.monotonic()
        await self._submit(newsletter())
        seconds = time.monotonic() - begun
        self._scene.tell(
            f"one newsletter to {NEWSLETTER_SIZE:,} readers queued in {seconds:.1f} s"
        )

    async def reminders(self) -> None:
        """Hand in mail that will be deferred for as long as the demo lasts."""
        for sample in reminders():
            await self._submit(sample)

    async def one_more(self) -> None:
        """Hand in a message such as come in all day long."""
        await self._submit(next(self._later))

    async def _submit(self, sample: Sample) -> None:
        spool, scene = self._spool, self._scene
        message_id = f"<{len(self.message_ids) + 1}.demo@web1.harbor.example>"
        data = sample.data(message_id, time.time())
        queue_id = await asyncio.to_thread(spool.submit, sample.envelope(), [data])
        self.message_ids[queue_id] = message_id
        scene.ledger.expect(queue_id, sample.recipients)
        if sample.verb:
            await asyncio.to_thread(_operate, spool, Verb(sample.verb), queue_id)
            scene.tell(_ABOUT[sample.verb])
        if sample.subject == HOSTILE_SUBJECT:
            scene.tell(f"a hostile subject, shown harmless: {_HARMLESS}")


def _operate(spool: Spool, verb: Verb, queue_id: str) -> None:
    """Do an operator's verb on one message, audit log included."""
    selection = freeze([(spool.entry(queue_id), None)], scope="tuiq demo")
    action = verbs.act(
        spool, verb, selection, actor=Actor.caller(), reason="part of the demo"
    )
    for _ in action.answers:
        pass
