"""The windows of several shards as those of one market."""

from collections.abc import Iterator, Sequence

from marksim.core.errors import Damaged
from marksim.journal.session import Part
from marksim.store.windows import RecordedWindow


def merged(parts: Sequence[Part], first: int, last: int) -> Iterator[RecordedWindow]:
    """The windows from `first` to `last` with what all parts have of them; those in which nothing happened anywhere as rows.

    Each has the digest of the engine's message where there is one part only. Raises Damaged, and NotFound for what is gone.
    """
    streams = [part.windows(first, last) for part in parts]
    heads = [_next(stream, part, first) for stream, part in zip(streams, parts, strict=True)]
    at = first
    while at <= last:
        for place, head in enumerate(heads):
            if head.last < at:
                heads[place] = _next(streams[place], parts[place], at)
        full = [head for head in heads if head.parts or head.control]
        if not full:
            end = min(last, *(head.last for head in heads))
            yield RecordedWindow(at, end, heads[0].digest if len(heads) == 1 and end == at else b"", b"", {})
            at = end + 1
            continue
        control = next((head.control for head in full if head.control), b"")
        happened = {symbol: part for head in full for symbol, part in head.parts.items()}
        yield RecordedWindow(at, at, full[0].digest if len(heads) == 1 else b"", control, happened)
        at += 1


def _next(stream: Iterator[RecordedWindow], part: Part, window: int) -> RecordedWindow:
    head = next(stream, None)
    if head is None or head.window > window:
        raise Damaged(f"{part.path}: window {window} is missing", metadata={"file": str(part.path), "window": str(window)})
    return head
