"""A market that a test arranges: who plays in it, and what happened."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from marksim.core.agents import AgentFunction, AgentSpec, Cast
from marksim.core.agents.latency import constant
from marksim.core.agents.spec import ValueSpec
from marksim.core.sim.simulation import Simulation
from marksim.core.types import EXECUTION, NS_PER_S, ExecutionKind, Instrument, Records, Side, Tick
from tests.core.sim.windows import SymbolWindow, windows
from tests.core.sim.worlds import BTC, MS

XBT = replace(BTC, symbol="XBT/USD", base_asset="XBT")
# A unit of ETH is a twentieth of one of BTC; ticks and lots are its own.
ETH = Instrument("ETH/USD", "ETH", "USD", Fraction(1, 20), Fraction(1, 100), 50_000, 1, 200_000)
ETH_BTC = Instrument("ETH/BTC", "ETH", "BTC", Fraction(1, 100_000), Fraction(1, 100), 5_000, 1, 20_000)
"""With BTC/USD these two make a triangle."""


@dataclass(frozen=True)
class Player:
    """One agent: a function or a restorable class, of (market) or, with parameters, (market, parameters)."""

    name: str
    run: AgentFunction
    parameters: Any = None
    symbols: tuple[str, ...] = ()
    """All of the market's where empty."""


@dataclass
class Played:
    """What happened in a market, by symbol."""

    players: Sequence[Player]
    instruments: Sequence[Instrument]
    windows: list[SymbolWindow] = field(default_factory=list)
    depth: dict[str, Records] = field(default_factory=dict)
    """Of each book at the end."""

    def executions(self, symbol: str | None = None) -> Records:
        """All order events of a symbol, in sequence."""
        wanted = symbol or self.instruments[0].symbol
        parts = [window.output.executions for window in self.windows if window.symbol == wanted]
        return np.concatenate([np.zeros(0, EXECUTION), *parts])

    def of(self, name: str, kind: ExecutionKind, symbol: str | None = None) -> Records:
        """Events of one agent's orders, as taker where they are trades."""
        rows = self.executions(symbol)
        return rows[(rows["account"] == self.account(name)) & (rows["kind"] == kind)]

    def sides(self, name: str, symbol: str | None = None) -> list[Side]:
        """Of its orders that the book took, in sequence."""
        return [Side(int(side)) for side in self.of(name, ExecutionKind.ACCEPTED, symbol)["side"]]

    def account(self, name: str) -> int:
        """Of a player, which is its place."""
        return 1 + [player.name for player in self.players].index(name)

    def position(self, name: str, symbol: str | None = None) -> int:
        """What its trades add up to, in lots; it may not have taken part in an auction."""
        rows = self.executions(symbol)
        rows = rows[rows["kind"] == ExecutionKind.TRADED]
        signed = np.where(rows["side"] == Side.BUY, rows["quantity_lots"], -rows["quantity_lots"])
        account = self.account(name)
        return int(signed[rows["account"] == account].sum() - signed[rows["maker_account"] == account].sum())

    def ticks(self, symbol: str | None = None, from_s: float = 0.0) -> list[Tick]:
        """Of a symbol, from a time on."""
        wanted = symbol or self.instruments[0].symbol
        ticks = [window.tick for window in self.windows if window.symbol == wanted and window.tick is not None]
        return [tick for tick in ticks if tick.time_ns >= from_s * NS_PER_S]


def play(
    players: Sequence[Player],
    seconds: float,
    *,
    instruments: Sequence[Instrument] = (BTC,),
    values: Sequence[ValueSpec] = (),
    seed: int = 1,
    latency_ms: int = 10,
) -> Played:
    """Run these players; none of them may fail."""
    everything = tuple(instrument.symbol for instrument in instruments)
    latency = constant(latency_ms * MS)
    agents = tuple(
        AgentSpec(
            account=account,
            name=player.name,
            type=player.name,
            symbols=player.symbols or everything,
            order_latency=latency,
            feed_latency=latency,
            parameters=player.parameters,
            run=player.run,
        )
        for account, player in enumerate(players, start=1)
    )
    played = Played(players, instruments)
    simulation = Simulation(instruments, Cast(agents, values=tuple(values)), seed=seed, start_ns=0, lookahead_ns=50 * MS)
    with closing(simulation.engine):
        played.windows = list(windows(simulation, int(seconds * NS_PER_S)))
        played.depth = {symbol: book.depth() for symbol, book in simulation.books.items()}
        assert not simulation.engine.failures, simulation.engine.failures
    return played
