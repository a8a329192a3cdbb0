"""A recorded session as one thing: a journal directory, one shard of it, or an exported file."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from json import loads
from pathlib import Path
from types import TracebackType
from typing import Self

from marksim.core.errors import InvalidInput
from marksim.core.types import Instrument
from marksim.journal.states import KIND, BookState, read_state
from marksim.scenario.instruments import InstrumentModel
from marksim.store.journal_reading import JournalReader
from marksim.store.journal_rows import Block
from marksim.store.journal_schema import FILE
from marksim.store.snapshots import newest_snapshots, snapshot_path
from marksim.store.windows import RecordedWindow, RunRecord


class Part(ABC):
    """What is recorded of some symbols of a run: by one shard, or in an exported file. It is only read."""

    name: str
    """For people: `shard-0`, or the file's name."""
    path: Path
    run: RunRecord
    first_window: int
    """The oldest window that is there; -1 where none is."""
    last_window: int
    keeps_output: bool
    """Whether windows have what came out, and not only its digest."""

    @abstractmethod
    def blocks(self, first: int, last: int) -> Iterator[Block]:
        """What went into the windows from `first` to `last`, many at a time. Raises Damaged, and NotFound of lost ones."""

    @abstractmethod
    def windows(self, first: int, last: int) -> Iterator[RecordedWindow]:
        """The same window by window, also with what came out as far as it is kept; a row of empty ones comes as one."""

    @abstractmethod
    def snapshots(self) -> Sequence[int]:
        """The windows after which there are snapshots of the books, newest first; whether they are whole, nobody looked."""

    @abstractmethod
    def state(self, window: int) -> BookState:
        """The books after that window, of which there is a snapshot. Raises NotFound, Unreadable, Damaged."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file."""


class ShardPart(Part):
    """The directory of one shard. Whoever writes to it goes on."""

    keeps_output = True

    def __init__(self, folder: Path) -> None:
        """Raises InvalidInput where nothing is recorded, Damaged and Unreadable where it cannot be read."""
        self.name, self.path, self.reader = folder.name, folder / FILE, JournalReader(folder)
        try:
            if self.reader.run is None:
                raise InvalidInput(f"{self.path}: nothing is recorded yet")
            self.run = self.reader.run
            self.first_window, self.last_window = self.reader.span()
        except BaseException:
            self.reader.close()
            raise

    def blocks(self, first: int, last: int) -> Iterator[Block]:
        return self.reader.blocks(first, last)

    def windows(self, first: int, last: int) -> Iterator[RecordedWindow]:
        return self.reader.windows(first, last)

    def snapshots(self) -> Sequence[int]:
        return [window for window, _ in newest_snapshots(self.path.parent, KIND)]

    def state(self, window: int) -> BookState:
        return read_state(snapshot_path(self.path.parent, KIND, window))

    def close(self) -> None:
        self.reader.close()


@dataclass(frozen=True)
class Session:
    """All parts of one run that were found together."""

    path: Path
    parts: tuple[Part, ...]
    run: RunRecord
    """Of all parts: its symbols are theirs, in the order of the scenario."""

    @property
    def is_whole(self) -> bool:
        """Whether every symbol of the run is among them."""
        return len(self.parts) == self.parts[0].run.shards

    @property
    def common_window(self) -> int:
        """The last window that all parts have."""
        return min(part.last_window for part in self.parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for part in self.parts:
            part.close()


def instruments_of(run: RunRecord) -> dict[str, Instrument]:
    """The instruments of the run's symbols, by symbol, in the order of its scenario. Raises InvalidInput.

    The rest of the scenario is not looked at: code of a user's agents may be elsewhere.
    """
    if not run.scenario_text:
        raise InvalidInput(f"run {run.run} does not say its scenario: an engine of an older version began it")
    try:
        # What was right once may be wrong for a later version: pydantic's error is a ValueError, as json's is.
        models = [InstrumentModel.model_validate(one) for one in loads(run.scenario_text)["instruments"]]
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"the instruments of run {run.run} cannot be read by this version: {error}") from None
    known = {instrument.symbol: instrument for instrument in (model.build() for model in models)}
    if missing := set(run.symbols) - known.keys():
        raise InvalidInput(f"run {run.run} traded {', '.join(sorted(missing))}, which its scenario does not have")
    return {symbol: instrument for symbol, instrument in known.items() if symbol in run.symbols}


def open_session(path: Path) -> Session:
    """Open what is recorded at `path`.

    Raises InvalidInput where there is nothing, or not of one run, Damaged or Unreadable where it cannot be read, OSError.
    """
    # Late: its part is a Part.
    from marksim.journal.exported import ExportedPart  # noqa: PLC0415

    parts: list[Part] = []
    try:
        if path.is_file() and path.name != FILE:
            parts.append(ExportedPart(path))
        else:
            folders = shard_folders(path)
            # A shard that was started once, and refused, has a journal of no run.
            begun = [folder for folder in folders if _has_run(folder)]
            # One by one, so that those that were opened are closed where the next one cannot be.
            for folder in begun or folders:
                parts.append(ShardPart(folder))  # noqa: PERF401
        if len({part.run.run for part in parts}) > 1:
            names = ", ".join(f"{part.name} has run {part.run.run}" for part in parts)
            raise InvalidInput(f"{path}: {names}: name the directory of one shard")
        return Session(path, tuple(parts), _run_of(parts))
    except BaseException:
        for part in parts:
            part.close()
        raise


def shard_folders(path: Path) -> list[Path]:
    """The directories of the shards at `path`, by number. Raises InvalidInput where none is."""
    if path.name == FILE and path.is_file():
        return [path.parent]
    if (path / FILE).is_file():
        return [path]
    found = [folder for folder in path.glob("shard-*") if folder.name[6:].isdecimal() and (folder / FILE).is_file()]
    if not found:
        raise InvalidInput(f"{path} is no journal: give a directory with shard-0, a shard's directory, or an exported file")
    return sorted(found, key=lambda folder: int(folder.name[6:]))


def _has_run(folder: Path) -> bool:
    with JournalReader(folder) as reader:
        return reader.run is not None


def _run_of(parts: Sequence[Part]) -> RunRecord:
    run = parts[0].run
    if len(parts) == 1:
        return run
    whole = replace(run, shard=0, shards=1, symbols=tuple(symbol for part in parts for symbol in part.run.symbols))
    return replace(whole, symbols=tuple(instruments_of(whole)))
