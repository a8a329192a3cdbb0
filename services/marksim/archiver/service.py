"""The archiver service: one reader per order book, one archive."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc.aio
from prometheus_client import REGISTRY

from marksim.archiver.metrics import ArchiveMetrics
from marksim.archiver.reader import BookReader, SharedArchive
from marksim.archiver.settings import ArchiverSettings
from marksim.core.errors import Damaged, NotNow
from marksim.runtime.logs import get_logger
from marksim.runtime.metrics import Store, StoreKind
from marksim.runtime.service import Lifecycle
from marksim.runtime.settings import EXIT_USAGE
from marksim.store.archive import Archive

log = get_logger(__name__)


class ArchiverService:
    """Stores what the order books do until it is told to stop.

    Holds the archive from the start. Raises SystemExit with one line if it cannot be opened or another archiver has it.
    """

    def __init__(self, settings: ArchiverSettings) -> None:
        self._settings = settings
        self._archive = _open(settings.dir)
        self._readers: list[BookReader] = []

    def register(self, server: grpc.aio.Server) -> Sequence[str]:
        """Nothing beside what every service has."""
        return ()

    async def run(self, lifecycle: Lifecycle) -> None:
        """Read all order books until draining; then the archive is closed."""
        settings, archive = self._settings, self._archive
        metrics = ArchiveMetrics(archive, settings.dir)
        REGISTRY.register(metrics)
        log.info("archive open", dir=str(settings.dir.resolve()), files=archive.totals.files, bytes=archive.totals.bytes)
        shared = SharedArchive(archive)
        self._readers = [BookReader(address, shared, settings, lifecycle.draining) for address in settings.orderbook]
        try:
            async with asyncio.TaskGroup() as group:
                for reader in self._readers:
                    group.create_task(reader.run())
        finally:
            REGISTRY.unregister(metrics)
            archive.close()

    def ready(self) -> bool:
        """Every order book was reached since the start, and the archive can be written."""
        return bool(self._readers) and all(reader.ready for reader in self._readers)

    def stores(self) -> Sequence[Store]:
        """The rows that wait in memory."""
        held = [reader.held for reader in self._readers]
        capacity = int(self._settings.rotate_mib * (1 << 20)) * len(self._settings.orderbook)
        frames, size = sum(item[0] for item in held), sum(item[1] for item in held)
        return [Store("unstored_frames", StoreKind.BUFFER, used=frames, used_bytes=size, capacity_bytes=capacity)]


def _open(directory: Path) -> Archive:
    try:
        return Archive(directory)
    except (NotNow, Damaged) as error:
        reason = error.message
    except OSError as error:
        reason = f"the archive cannot be opened ({error})"
    # As of any other wrong setting: one line for people, whatever the log's format.
    sys.stderr.write(f"marksim archiver: --dir {directory} is wrong: {reason}\n")
    raise SystemExit(EXIT_USAGE)
