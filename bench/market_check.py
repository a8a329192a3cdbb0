"""Is the default market a market? Runs a scenario in process for many seeds and holds it against stated bounds.

    python bench/market_check.py --seeds 1-20 --hours 24 --out build/market-check.jsonl

Resumable: a seed whose line stands in the output file (same scenario, code of core, and hours) is not run again. Exit status
1 where a bound is broken. Figures are of simulated time; the spread is time-weighted, returns are of the mid,
one a minute.
"""

import argparse
import hashlib
import json
import math
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import marksim.core
from marksim.core.sim.simulation import Piece, Simulation
from marksim.core.types import NS_PER_MINUTE, NS_PER_S, TICK, ExecutionKind, Records
from marksim.scenario import Scenario, load_scenario

BOUNDS: dict[str, tuple[float, float]] = {
    "events_per_s": (4_000_000 / 86_400, math.inf),
    "orders_per_s": (20, math.inf),
    "trades_per_s": (1, math.inf),
    "ticks_per_wall_s": (60, math.inf),
    "wakeups_per_s": (2, 5),
    "agents_orders_per_s": (2, 5),
    "spread_median": (1, 6),
    "spread_p99": (1, 19),
    "empty_side_s": (0, 0),
    "empty_side_quotes": (0, 0),
    "sd_1min_bp": (3, 8),
    "acf_1min": (-0.15, 0.15),
    "drift": (0, 0.1),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on one seed."""

    market: str
    hours: float
    seed: int
    events_per_s: float
    orders_per_s: float
    trades_per_s: float
    ticks_per_wall_s: float
    wakeups_per_s: float
    agents_orders_per_s: float
    spread_median: float
    spread_p99: float
    empty_side_s: float
    empty_side_quotes: int
    sd_1min_bp: float
    acf_1min: float
    drift: float
    failed_agents: int
    wall_s: float

    def broken(self) -> list[str]:
        """Names of the bounds that do not hold."""
        names = [name for name, (low, high) in BOUNDS.items() if not low <= getattr(self, name) <= high]
        return [*names, *(["failed_agents"] if self.failed_agents else [])]


class Watch:
    """Gathers the figures of a symbol while it trades; the first simulated minute, in which the book fills, is left out."""

    def __init__(self, start_ns: int, end_ns: int) -> None:
        self.from_ns = start_ns + NS_PER_MINUTE
        self.end_ns = end_ns
        self.spread_ns: NDArray[np.int64] = np.zeros(1, np.int64)
        self.empty_ns = 0
        self.empty_quotes = 0
        self.events = 0
        self.orders = 0
        self.trades = 0
        self.ticks = 0
        self._mids: list[NDArray[np.float64]] = []
        self._minutes = np.arange(self.from_ns, end_ns + 1, NS_PER_MINUTE)
        self._last: Records = np.zeros(0, TICK)

    def take(self, piece: Piece) -> None:
        """Take in what happened next."""
        counts = np.bincount(piece.executions["kind"], minlength=len(ExecutionKind))
        self.events += len(piece.executions)
        self.orders += int(counts[ExecutionKind.ACCEPTED])
        self.trades += int(counts[ExecutionKind.TRADED])
        quotes = piece.quotes
        one_sided = (quotes["bid_quantity_lots"] == 0) | (quotes["ask_quantity_lots"] == 0)
        self.empty_quotes += int(np.count_nonzero(one_sided & (quotes["time_ns"] >= self.from_ns)))
        if len(piece.ticks):
            self.ticks += int(np.count_nonzero(piece.ticks["time_ns"] >= self.from_ns))
            self._hold(np.concatenate((self._last, piece.ticks)))
            self._last = piece.ticks[-1:].copy()

    def finish(self) -> NDArray[np.float64]:
        """The last state lasts until the end. The mids, one a minute."""
        last = np.concatenate((self._last, self._last))
        last["time_ns"][1:] = self.end_ns
        self._hold(last)
        return np.concatenate(self._mids)

    def _hold(self, ticks: Records) -> None:
        """Each of these states lasted until the next."""
        if len(ticks) < 2:
            return
        times, before = ticks["time_ns"], ticks[:-1]
        mids = 0.5 * (before["bid_price_ticks"] + before["ask_price_ticks"])
        self._mids.append(mids[np.searchsorted(times[1:], self._due(int(times[-1])))])
        held_ns = np.maximum(times[1:] - np.maximum(times[:-1], self.from_ns), 0)
        empty = (before["bid_quantity_lots"] == 0) | (before["ask_quantity_lots"] == 0)
        self.empty_ns += int(held_ns[empty].sum())
        spreads = (before["ask_price_ticks"] - before["bid_price_ticks"])[~empty]
        most = max(len(self.spread_ns), int(spreads.max(initial=0)) + 1)
        spread_ns = np.zeros(most, np.int64)
        spread_ns[: len(self.spread_ns)] = self.spread_ns
        np.add.at(spread_ns, spreads, held_ns[~empty])
        self.spread_ns = spread_ns

    def _due(self, until_ns: int) -> NDArray[np.int64]:
        """The minutes up to then that have no mid yet."""
        count = int(np.searchsorted(self._minutes, until_ns, side="right"))
        due, self._minutes = self._minutes[:count], self._minutes[count:]
        return due

    def spread_quantile(self, share: float) -> float:
        """Time-weighted quantile of the spread in ticks."""
        so_far = np.cumsum(self.spread_ns)
        return float(np.searchsorted(so_far, share * so_far[-1])) if so_far[-1] else math.inf


def market_key(scenario: Scenario, symbol: str) -> str:
    """What a result depends on besides the seed: the scenario, the symbol, and the code of core that plays it."""
    digest = hashlib.sha256(f"{scenario.hash} {symbol}".encode())
    for source in sorted(Path(marksim.core.__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def measure(scenario: Scenario, hours: float, symbol: str) -> Figures:
    """Run one seed and measure a symbol."""
    begun = time.monotonic()
    instruments, start_ns = scenario.instruments(), scenario.start_ns
    reference_ticks = next(one.reference_price_ticks for one in instruments if one.symbol == symbol)
    end_ns = start_ns + int(hours * 3_600) * NS_PER_S
    window = {"start_ns": start_ns, "lookahead_ns": scenario.lookahead_ns}
    simulation = Simulation(instruments, scenario.cast(), seed=scenario.seed, **window)
    watch = Watch(start_ns, end_ns)
    for piece in simulation.run(end_ns):
        if piece.symbol == symbol:
            watch.take(piece)
    simulation.engine.close()
    mids, seconds = watch.finish(), (end_ns - start_ns) / NS_PER_S
    returns = np.diff(np.log(mids))
    return Figures(
        market=market_key(scenario, symbol),
        hours=hours,
        seed=scenario.seed,
        events_per_s=round(watch.events / seconds, 2),
        orders_per_s=round(watch.orders / seconds, 3),
        trades_per_s=round(watch.trades / seconds, 3),
        ticks_per_wall_s=round(10 * watch.ticks / (seconds - 60), 2),
        wakeups_per_s=round(simulation.engine.wakeups / seconds, 3),
        agents_orders_per_s=round(simulation.engine.agents_orders / seconds, 3),
        spread_median=watch.spread_quantile(0.5),
        spread_p99=watch.spread_quantile(0.99),
        empty_side_s=watch.empty_ns / NS_PER_S,
        empty_side_quotes=watch.empty_quotes,
        sd_1min_bp=round(1e4 * float(np.std(returns)), 3),
        acf_1min=round(float(np.corrcoef(returns[:-1], returns[1:])[0, 1]), 3),
        drift=round(abs(math.log(mids[-1] / reference_ticks)), 5),
        failed_agents=len(simulation.engine.failures),
        wall_s=round(time.monotonic() - begun, 1),
    )


def _one(reference: str, overrides: list[str], seed: int, hours: float, symbol: str) -> Figures:
    return measure(load_scenario(reference, overrides, seed), hours, symbol)


def _done(path: Path, market: str, hours: float) -> dict[int, Figures]:
    if not path.exists():
        return {}
    kept = [row for row in map(json.loads, path.read_text().splitlines()) if row.get("market") == market]
    return {row["seed"]: Figures(**row) for row in kept if row["hours"] == hours}


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> int:
    """Run what is missing, print the table, and say which bounds are broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenario", default="default")
    parser.add_argument("--symbol", default="BTC/USD")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE")
    parser.add_argument("--seeds", type=_seeds, default=_seeds("1-20"), metavar="A-B")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/market-check.jsonl"))
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = _done(args.out, market_key(load_scenario(args.scenario, args.overrides), args.symbol), args.hours)
    print(" | ".join(field.name for field in fields(Figures)[2:]), flush=True)
    wanted = [seed for seed in args.seeds if seed not in done]
    rows = [done[seed] for seed in args.seeds if seed in done]
    for row in rows:
        print(" | ".join(str(value) for value in list(asdict(row).values())[2:]))
    with (
        ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool,
        args.out.open("a") as out,
    ):
        for future in [pool.submit(_one, args.scenario, args.overrides, seed, args.hours, args.symbol) for seed in wanted]:
            row = future.result()
            rows.append(row)
            out.write(json.dumps(asdict(row)) + "\n")
            out.flush()
            print(
                " | ".join(str(value) for value in list(asdict(row).values())[2:]),
                flush=True,
            )
    broken = {row.seed: row.broken() for row in rows if row.broken()}
    for seed, names in broken.items():
        print(f"seed {seed}: out of bounds: {', '.join(f'{name} (wanted {BOUNDS.get(name, (0, 0))})' for name in names)}")
    print(f"{len(rows) - len(broken)} passed, {len(broken)} failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
