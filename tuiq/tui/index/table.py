"""The columns: one number per message and field, and the messages in id order.

A row is a number; it belongs to one message until that is gone and may then serve
another, which ``version`` tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.tui.index import ids
from tuiq.tui.index.blocks import RECORD_FIELDS, TEXT_TABLES
from tuiq.tui.index.mixes import Mixes
from tuiq.tui.index.register import Register
from tuiq.tui.index.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tuiq.tui.index.blocks import Block, Names

FREE, NAMED, READ = 0, 1, 2
"""What ``stage`` says of a row."""
NO_STATE = 15
_RECORD = np.dtype([(name, "<" + kind) for name, kind in RECORD_FIELDS])
_PLAIN = (
    "rest", "flags", "birth", "size", "count", "left", "tries", "next", "last", "base"
)  # fmt: skip
"""Fields of a record that are kept as they come."""
_COLUMNS: dict[str, str] = {
    "hi": "u8", "lo": "u4", "stage": "u1", "place": "u1", "state": "u1", "scan": "u4",
    "version": "u4", "ctime": "i8", "mix": "u4", "recipient": "u4", "locked": "u1",
    "paused": "u1", "content": "u4", "asked": "u1", "dying": "u1", "born": "u4",
    **{name: kind for name, kind in RECORD_FIELDS if name in _PLAIN + TEXT_TABLES},
}  # fmt: skip


class Table:
    """All messages; ``rows`` lists them in the order of their ids."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.capacity = 4096
        self._columns = {n: np.zeros(4096, dtype=k) for n, k in _COLUMNS.items()}
        self.texts = {name: Texts() for name in (*TEXT_TABLES, "recipient")}
        self.mixes = Mixes()
        self.places: list[str] = []
        """Queue directories by the numbers in ``place``."""
        self._register = Register(self.__getitem__)
        self._free: list[int] = []
        self._end = 0
        self.generation = 0
        self.counts: NDArray[np.int64] = np.zeros(256 * 16, dtype=np.int64)
        """Messages by 16 × place + state."""

    def __getitem__(self, column: str) -> NDArray[Any]:
        """Return a column; longer than the number of messages."""
        return self._columns[column]

    @property
    def rows(self) -> NDArray[np.int32]:
        """Return the rows of all messages in the order of their ids."""
        return self._register.rows

    @property
    def count(self) -> int:
        """Return the number of messages."""
        return len(self.rows)

    def place_of(self, directory: str) -> int:
        """Return the number of a queue directory."""
        if directory not in self.places:
            self.places.append(directory)
        return self.places.index(directory)

    # -- finding -----------------------------------------------------------------

    def find(self, hi: NDArray[np.uint64], lo: NDArray[np.uint32]) -> NDArray[Any]:
        """Return the rows of ids; -1 where there is none."""
        rows: NDArray[Any] = self._register.find(hi, lo)
        return rows

    def find_one(self, queue_id: str) -> int | None:
        """Return the row of a queue id; None when there is none."""
        return self._register.find_one(queue_id)

    def find_text(self, text: bytes) -> NDArray[Any]:
        """Return the rows of the ids that *text* strings together, without gaps."""
        found = self.find(*ids.parse(text))
        return found[found >= 0]

    def spell(self, rows: NDArray[Any]) -> list[str]:
        """Return the ids of rows."""
        return ids.spell(self["hi"][rows], self["lo"][rows])

    def spell_one(self, row: int) -> str:
        """Return the id of a row."""
        return ids.spell_one(self["hi"].item(row), self["lo"].item(row))

    # -- changing ----------------------------------------------------------------

    def take_names(self, names: Names) -> NDArray[Any]:
        """Take in a piece of a list; return the rows that are new."""
        hi, lo = ids.parse(names.ids)
        rows = self.find(hi, lo)
        new = np.flatnonzero(rows < 0)
        if len(new):
            # A name may be told twice by a directory that changes meanwhile.
            new = new[_distinct(hi[new], lo[new])]
            rows[new] = self._enter(hi[new], lo[new], self.place_of(names.directory))
        self["scan"][rows[rows >= 0]] = names.scan
        return rows[new]

    def take(self, block: Block) -> NDArray[Any]:
        """Take in what was read; return the rows that changed."""
        records = np.frombuffer(block.records, dtype=_RECORD)
        hi, lo = ids.parse(np.ascontiguousarray(records["id"]).tobytes())
        place = self.place_of(block.directory)
        rows = self.find(hi, lo)
        new = rows < 0
        rows[new] = self._enter(hi[new], lo[new], place)
        fresh = self["stage"][rows] != READ
        # What no column shows may be shown elsewhere, or decide about a filter.
        changed = fresh | (self["ctime"][rows] != records["ctime"])
        changed |= self["place"][rows] != place
        self.leave(rows)
        self["stage"][rows], self["place"][rows] = READ, place
        self.join(rows)
        self["asked"][rows] = self["dying"][rows] = 0
        self["ctime"][rows] = records["ctime"]
        for name, values in self._values(records, block, rows, fresh):
            column = self[name]
            changed |= column[rows] != values
            column[rows] = values
        moved: NDArray[Any] = rows[changed]
        self.touch(moved)
        self["content"][moved] = self.generation
        return moved

    def _values(
        self, records: Any, block: Block, rows: NDArray[Any], fresh: NDArray[np.bool_]
    ) -> list[tuple[str, NDArray[Any]]]:
        """Return the new values of the columns."""
        values = [(name, records[name]) for name in _PLAIN]
        numbers = {}
        for name in TEXT_TABLES:
            numbers[name] = self.texts[name].intern(block.texts.get(name, []))
            values.append((name, numbers[name][records[name]]))
        values.append(("recipient", self._recipients(records, block, rows, fresh)))
        values.append(("mix", self._mix(records["mix"], block, rows, numbers)))
        return values

    def _recipients(
        self, records: Any, block: Block, rows: NDArray[Any], fresh: NDArray[np.bool_]
    ) -> NDArray[np.uint32]:
        texts, lengths = self.texts["recipient"], records["length"]
        if fresh.all():
            return texts.extend(block.recipients, lengths)
        numbers: NDArray[np.uint32] = self["recipient"][rows]
        at = 0
        for place, length in enumerate(lengths.tolist()):
            text = block.recipients[at : at + length]
            at += length
            if fresh[place] or texts[int(numbers[place])] != text:
                numbers[place] = texts.add(text)
        return numbers

    def _mix(
        self,
        places: NDArray[np.uint32],
        block: Block,
        rows: NDArray[Any],
        numbers: dict[str, NDArray[np.uint32]],
    ) -> NDArray[np.uint32]:
        """Keep the domains of messages that go to several; return where they stand."""
        found = np.zeros(len(places), dtype=np.uint32)
        told = np.frombuffer(block.mixes, dtype=np.uint32)
        for index in np.flatnonzero(places).tolist():
            start = int(places[index]) - 1
            mix = told[start : start + 1 + 3 * int(told[start])].copy()
            mix[1::3] = numbers["domain"][mix[1::3]]
            old = self.mix_of(int(rows[index]))
            same = np.array_equal(mix[1:], old.ravel())
            found[index] = self["mix"][rows[index]] if same else self.mixes.add(mix)
        return found

    def mix_of(self, row: int) -> NDArray[np.uint32]:
        """Return (domain, open, waiting) per domain; empty when it has only one."""
        return self.mixes.at(int(self["mix"][row]))

    def domains(
        self, rows: NDArray[Any]
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Yield the domains of those *rows* that go to several; see ``Mixes.walk``."""
        return self.mixes.walk(self["mix"][rows])

    def renumber(self, name: str, moves: NDArray[np.uint32]) -> None:
        """Follow the texts of a column to their new numbers."""
        self[name][:] = moves[self[name]]
        if name == "domain":
            self.mixes.renumber(self["mix"][self.rows], moves)

    def pack_mixes(self) -> None:
        """Give back the lists of domains that no message has any more."""
        rows = self.rows[self["mix"][self.rows] != 0]
        self["mix"][rows] = self.mixes.pack(self["mix"][rows])

    def leave(self, rows: NDArray[Any]) -> None:
        """Count rows no longer, as their place or state is about to change."""
        self._count(rows, -1)

    def join(self, rows: NDArray[Any]) -> None:
        """Count rows where they are now."""
        self._count(rows, 1)

    def _count(self, rows: NDArray[Any], step: int) -> None:
        code = self["place"][rows].astype(np.int64) * 16 + self["state"][rows]
        self.counts += step * np.bincount(code, minlength=len(self.counts))

    def touch(self, rows: NDArray[Any]) -> None:
        """Give rows that changed a new version."""
        self.generation += 1
        self["version"][rows] = self.generation

    def _enter(
        self, hi: NDArray[np.uint64], lo: NDArray[np.uint32], place: int
    ) -> NDArray[Any]:
        """Give new messages rows; return them."""
        if not len(hi):
            return np.zeros(0, dtype=np.int64)
        order = ids.sort(hi, lo)
        rows = np.empty(len(hi), dtype=np.int64)
        rows[order] = self._allocate(len(hi))
        self["hi"][rows], self["lo"][rows] = hi, lo
        self["stage"][rows], self["place"][rows] = NAMED, place
        self["birth"][rows] = ids.births(hi)
        self["state"][rows] = NO_STATE
        self.join(rows)
        self._register.enter(rows[order])
        self.touch(rows)
        self["born"][rows] = self.generation
        return rows

    def _allocate(self, size: int) -> NDArray[np.int64]:
        """Return rows that belong to nobody, rising."""
        reused = [self._free.pop() for _ in range(min(size, len(self._free)))]
        fresh = size - len(reused)
        end = self._end + fresh
        if end > self.capacity:
            self.capacity = max(end, self.capacity * 9 // 8)
            for name, column in self._columns.items():
                self._columns[name] = grown(column, self.capacity)
        rows = np.array(sorted(reused) + list(range(self._end, end)), dtype=np.int64)
        self._end = end
        return rows

    def remove(self, rows: NDArray[Any]) -> None:
        """Forget messages."""
        if not len(rows):
            return
        self._register.leave(rows)
        self.leave(rows)
        for column in self._columns.values():
            column[rows] = 0
        self._free += rows.tolist()
        self.touch(rows)


def grown(column: NDArray[Any], size: int) -> NDArray[Any]:
    """Return a longer copy of a column; what is new is 0."""
    longer = np.zeros(size, dtype=column.dtype)
    longer[: len(column)] = column
    return longer


def _distinct(hi: NDArray[np.uint64], lo: NDArray[np.uint32]) -> NDArray[Any]:
    """Return the places of ids, each once."""
    order = ids.sort(hi, lo)
    again = (hi[order][1:] == hi[order][:-1]) & (lo[order][1:] == lo[order][:-1])
    return order[np.concatenate(([True], ~again))]
