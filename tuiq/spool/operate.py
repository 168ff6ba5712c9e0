"""Sequence X: what operators do to messages and recipients, from any front end.

Every verb writes operators' bytes first, locked or not.  Where the lock can be
had, they are applied at once as a delivering runner would; where it cannot,
the holder applies them, and the answer tells what the operator may rely on.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.errors import (
    MessageBusy,
    MessageDamaged,
    MessageGone,
    SpoolError,
    UnknownFormat,
)
from tuiq.spool.answers import Answer, Result, Target, Verb
from tuiq.spool.asking import ask_holder
from tuiq.spool.claim import Claim
from tuiq.spool.finish import is_unique, unlink_all, unlink_control, unlink_rest
from tuiq.spool.lock import lock_control, open_control
from tuiq.spool.passes import End
from tuiq.spool.verbs import Deed, apply_locked, purge_damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tuiq.spool.fs import StatResult
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.site import Site

CHUNK = 500
"""Messages whose changes share one sync: each is an open file until then."""


FEW = 16
"""Up to this many changes are synced file by file; more with one syncfs."""
HANDS = 4
"""Threads that unlink: file systems wait for each file, and the waits overlap."""
SAME_BIRTH = 1e-3
"""Seconds by which two readings of one birth may differ (float rounding)."""


@dataclass(slots=True)
class _Work:
    """One target under way: its answer, and what is open until the sync."""

    target: Target
    directory: QueueDirectory | None = None
    answer: Answer | None = None
    claim: Claim | None = None
    fd: int = -1
    """An unlocked descriptor with request bytes to sync, or -1."""
    deed: Deed | None = None
    is_unlinked: bool = False
    """Whether the control file of a finished message is gone."""
    is_durable: bool = False
    """Whether a sync covered what was done to the control file."""

    @property
    def is_over(self) -> bool:
        """Say whether the message is finished: its files are to be removed."""
        return self.deed is not None and self.deed.end is End.FINISHED

    def say(self, result: Result, text: str) -> None:
        """Settle the answer."""
        changed = self.deed.changed if self.deed else ()
        self.answer = Answer(
            target=self.target, result=result, text=text, changed=tuple(changed)
        )

    def give_up(self, text: str) -> None:
        """Take the answer back: what was written may not be on the disk."""
        if self.deed:
            self.deed.end = End.WAITING  # nothing may be unlinked
            self.deed.rest = None
        self.say(Result.REFUSED, f"{self.target.queue_id}: {text}")


def operate(
    find: Callable[[str], QueueDirectory | None],
    site: Site,
    verb: Verb,
    targets: Iterable[Target],
    *,
    chunk: int = CHUNK,
) -> Iterator[Answer]:
    """Do *verb* to each target; yield its answer once it is durable.

    *find* returns the directory that holds a queue id.  Up to *chunk* messages
    are locked at a time and share one sync; a flush on its own is not synced.
    """
    for batch in _batches(targets, chunk):
        works: list[_Work] = []
        try:
            for target in batch:
                works.append(_begin(find, site, verb, target))  # noqa: PERF401
            _sync(works, site)
            unfinished = [work for work in works if work.deed and work.deed.rest]
            for work in unfinished:
                _go_on(work)
            _sync(unfinished, site)
        finally:
            # All of them before the first answer: the reader may take its time.
            _let_go_all(works)
        for work in works:
            assert work.answer is not None
            yield work.answer


def _batches(targets: Iterable[Target], size: int) -> Iterator[list[Target]]:
    """Yield up to *size* targets at a time, never two of one message.

    The lock of the first would keep out the second.
    """
    batch: dict[str, Target] = {}
    for target in targets:
        if len(batch) == size or target.queue_id in batch:
            yield list(batch.values())
            batch.clear()
        batch[target.queue_id] = target
    if batch:
        yield list(batch.values())


def _begin(
    find: Callable[[str], QueueDirectory | None],
    site: Site,
    verb: Verb,
    target: Target,
) -> _Work:
    work = _Work(target)
    directory = work.directory = find(target.queue_id)
    if directory is None:
        work.say(Result.GONE, str(MessageGone(target.queue_id)))
    else:
        with _settled(work):
            _act(work, directory, site, verb)
    return work


def _go_on(work: _Work) -> None:
    """Do what had to wait for a sync."""
    deed = work.deed
    assert deed is not None
    assert deed.rest is not None
    with _settled(work):
        deed.rest()
        work.say(deed.result, deed.text)


@contextmanager
def _settled(work: _Work) -> Iterator[None]:
    """Turn errors into the answer."""
    try:
        yield
    except MessageGone as error:
        work.say(Result.GONE, str(error))
    except SpoolError as error:
        work.say(Result.REFUSED, str(error))
    except OSError as error:
        work.say(Result.REFUSED, f"{work.target.queue_id}: {error.strerror}")


def _act(work: _Work, directory: QueueDirectory, site: Site, verb: Verb) -> None:
    """Write the requests, then apply them if the lock can be had (X1-X6)."""
    queue_id = work.target.queue_id
    fd, seen = open_control(directory, queue_id)
    try:
        if _try_lock(directory, queue_id, fd, seen):
            _act_locked(work, directory, fd, site=site, verb=verb)
            return
        request = ask_holder(directory, fd, work.target, verb)
        # The holder may have let go before it could see the request.
        if request.written and _try_lock(directory, queue_id, fd, seen):
            _act_locked(work, directory, fd, site=site, verb=verb)
            return
    except BaseException:
        if work.claim is None:
            directory.fs.close(fd)
        raise
    work.fd = fd
    work.say(request.result, request.text)


def _try_lock(
    directory: QueueDirectory, queue_id: str, fd: int, seen: StatResult
) -> bool:
    try:
        lock_control(directory, queue_id, fd, seen)
    except MessageBusy:
        return False
    return True


def _act_locked(
    work: _Work, directory: QueueDirectory, fd: int, *, site: Site, verb: Verb
) -> None:
    """Apply *verb* as the lock holder; the claim stays open until the sync."""
    target = work.target
    try:
        claim = Claim(directory, target.queue_id, fd)
    except UnknownFormat:
        raise
    except MessageDamaged:
        if verb is not Verb.PURGE:
            raise
        purge_damaged(directory, target.queue_id, fd)
        work.fd = fd
        work.say(Result.ACTED, "damaged message removed for good")
        return
    work.claim = claim
    if target.birth is not None and abs(claim.birth - target.birth) > SAME_BIRTH:
        raise MessageGone(target.queue_id)
    deed = work.deed = apply_locked(claim, site, verb, target)
    work.say(deed.result, deed.text)


def _sync(works: list[_Work], site: Site) -> None:
    """Make everything written durable: a sync each, or one for many."""
    by_directory: dict[int, tuple[QueueDirectory, list[_Work]]] = {}
    for work in works:
        if work.directory is not None and _fd(work) >= 0:
            group = by_directory.setdefault(id(work.directory), (work.directory, []))
            group[1].append(work)
    for directory, group_works in by_directory.values():
        try:
            _sync_directory(directory, group_works)
            for work in group_works:
                work.is_durable = True
        except OSError as error:
            reason = (error.strerror or "error").lower()
            site.suspect(directory, reason)
            for work in group_works:
                work.give_up(f"the disk may have lost it: {reason}; see tuiq check")


def _sync_directory(directory: QueueDirectory, works: list[_Work]) -> None:
    """Unlink control files of what is over, and make all changes durable.

    A file that is gone needs no sync of its own.
    """
    fs = directory.fs
    changed = [work for work in works if not _unlink(directory, work)]
    if len(changed) > FEW:
        # Of a file opened just now: a syncfs tells of errors since then.
        fs.syncfs(_fd(changed[0]))
        return
    for work in changed:
        fs.fdatasync(_fd(work))
    if len(changed) < len(works):
        fs.fsync(directory.qf_fd)


def _unlink(directory: QueueDirectory, work: _Work) -> bool:
    """Unlink the control file if the message is over; say whether it is gone.

    One that cannot be unlinked, or not yet, says F.
    """
    claim = work.claim
    if claim is not None and work.is_over and is_unique(claim):
        with suppress(OSError):
            unlink_control(directory, work.target.queue_id)
            work.is_unlinked = True
    return work.is_unlinked


def _fd(work: _Work) -> int:
    return work.claim.fd if work.claim is not None else work.fd


def _let_go_all(works: list[_Work]) -> None:
    """Let go of each, many removals in a few threads."""
    removals = sum(work.is_over for work in works)
    if removals <= FEW:
        _let_go_some(works)
        return
    from concurrent.futures import ThreadPoolExecutor  # seldom needed, long to load

    parts = [works[start::HANDS] for start in range(HANDS)]
    with ThreadPoolExecutor(HANDS) as hands:
        for _ in hands.map(_let_go_some, parts):
            pass


def _let_go_some(works: list[_Work]) -> None:
    for work in works:
        _let_go(work)


def _let_go(work: _Work) -> None:
    """Finish what is over, release the rest; nothing stays open."""
    if work.directory is None or _fd(work) < 0:
        return
    claim, deed = work.claim, work.deed
    try:
        if claim is not None and work.is_over:
            if work.is_durable:
                _remove_rest(work, claim)
        elif deed and deed.visit is not None:
            deed.visit.release()
    except OSError:
        return  # what is durable holds; the next look at the message does the rest
    finally:
        if claim is not None:
            claim.close()
        else:
            work.directory.fs.close(work.fd)


def _remove_rest(work: _Work, claim: Claim) -> None:
    if work.is_unlinked:
        unlink_rest(claim.directory, claim.queue_id, has_texts=claim.has_texts)
    else:
        unlink_all(claim)
