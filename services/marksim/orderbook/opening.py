"""The journal that an order book goes on with, or why it may not."""

from pathlib import Path

from marksim.core.errors import NotNow
from marksim.orderbook.listing import Listing
from marksim.orderbook.recording import Recorder
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime.logs import get_logger
from marksim.store.journal import Durability, Journal, JournalLimits, set_aside
from marksim.store.moving import check_moved
from marksim.store.windows import RunRecord

log = get_logger(__name__)


def open_recorder(settings: OrderBookSettings, listing: Listing, scenario_hash: str) -> Recorder | None:
    """What this shard records into; None where nothing is to survive.

    Raises NotNow where the journal is another one's, MarksimError where it cannot be read, OSError where it cannot be made.
    """
    if settings.durability == "none":
        return None
    check_moved(settings.journal)
    folder = settings.journal / f"shard-{listing.shard}"
    folder.mkdir(parents=True, exist_ok=True)
    limits = JournalLimits(
        max_age_s=int(settings.journal_hours * 3_600),
        soft_mib=min(settings.journal_mib, settings.journal_cap_mib),
        hard_mib=settings.journal_cap_mib,
        sync_ms=settings.sync_ms,
    )
    durability = Durability(settings.durability)
    journal = Journal(folder, durability, limits)
    if (run := journal.run) is not None and settings.new_run and journal.new_run != settings.new_run:
        journal.close()
        aside = set_aside(folder, run.run)
        log.warning("an older run is set aside", run=run.run, scenario=run.scenario, seed=run.seed, folder=str(aside))
        journal = Journal(folder, durability, limits)
    if journal.run is not None and (why := _unlike(journal.run, listing, scenario_hash, settings.max_orders, folder)):
        journal.close()
        raise NotNow(why, reason="OTHER_RUN")
    return Recorder(journal, settings.new_run, settings.snapshot_windows)


def _unlike(run: RunRecord, listing: Listing, scenario_hash: str, max_orders: int, folder: Path) -> str:
    """Why this book cannot go on with a run; empty where it can."""
    symbols = tuple(instrument.symbol for instrument in listing.own)
    if run.scenario_hash != scenario_hash:
        named = f"{folder} has run {run.run} of scenario {run.scenario} (seed {run.seed}, hash {run.scenario_hash[:12]})"
        return (
            f"{named}, and this is hash {scenario_hash[:12]}: start with that run's scenario and --set to go on with it, "
            "or with --new-run to begin another; the old one is then kept aside"
        )
    if (run.shards, run.shard) != (listing.shards, listing.shard) or set(run.symbols) != set(symbols):
        was = f"shard {run.shard} of {run.shards} with {', '.join(run.symbols) or 'no symbol'}"
        is_ = f"shard {listing.shard} of {listing.shards} with {', '.join(symbols) or 'no symbol'}"
        move = f"marksim journal move {folder.parent} --shards {listing.shards}"
        return f"{folder} was written by {was}, and this is {is_}: move it by `{move}` first, or begin another by --new-run"
    if run.max_orders not in (0, max_orders):
        was = f"{folder} has run {run.run} with --max-orders {run.max_orders}, and this is --max-orders {max_orders}"
        return f"{was}: what was rejected then could rest now; start with that to go on, or with --new-run to begin another"
    return ""
