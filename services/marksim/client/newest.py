"""What waits for a reader who wants the newest tick only: one item a symbol, and a newer one takes the place of the older.

Both classes stand in for a queue of their kind. Their bound is the number of symbols, and nobody who puts ever waits.
"""

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

from marksim.client.values import Tick


class _Places:
    """Items by what they replace; the one that has waited longest comes first."""

    def __init__(self) -> None:
        self._items: dict[Any, Any] = {}

    def add(self, item: Any) -> None:
        self._items[self._key(item)] = item

    def pop(self) -> Any:
        return self._items.pop(next(iter(self._items)))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    @staticmethod
    def _key(item: Any) -> Any:
        """A tick's symbol; of all else its kind. An error is never replaced by a tick."""
        if isinstance(item, tuple):
            shard, event, _ = item
            return shard, event.symbol if isinstance(event, Tick) else type(event)
        return type(item)


class Newest(queue.Queue[Any]):
    """For threads."""

    def _init(self, maxsize: int) -> None:
        self._places = _Places()

    def _qsize(self) -> int:
        return len(self._places)

    def _put(self, item: Any) -> None:
        self._places.add(item)

    def _get(self) -> Any:
        return self._places.pop()


class AsyncNewest(asyncio.Queue[Any]):
    """For asyncio."""

    def _init(self, maxsize: int) -> None:
        # It has a length, which is all that the queue asks for itself.
        self._queue = _Places()

    def _put(self, item: Any) -> None:
        self._queue.add(item)

    def _get(self) -> Any:
        return self._queue.pop()
