"""What a view needs of the ``Messages`` it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.index.order import Key
    from tuiq.tui.index.table import Table
    from tuiq.tui.index.truth import IdTruth, RowTruth, TextTruth


class Index(Protocol):
    """See the methods of ``Messages``."""

    table: Table
    now: Callable[[], float]

    @property
    def count(self) -> int: ...  # noqa: D102
    @property
    def live_count(self) -> int: ...  # noqa: D102
    @property
    def around(self) -> Circumstances | None: ...  # noqa: D102
    def row_number(self, queue_id: str) -> int | None: ...  # noqa: D102
    def key(self, column: str, *, reverse: bool) -> Key: ...  # noqa: D102
    def forget(self, view: Any) -> None: ...  # noqa: D102
    def work(self, work: Callable[[], None], done: Callable[[], None]) -> None: ...  # noqa: D102
    def test(self, truth: TextTruth | IdTruth) -> None: ...  # noqa: D102
    def ask(self, question: RowTruth, rows: NDArray[Any]) -> None: ...  # noqa: D102
