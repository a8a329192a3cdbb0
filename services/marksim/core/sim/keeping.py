"""Whose inputs are kept, and what of a window is one: the hands that fill the input log."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

from marksim.core.sim.agent import STATELESS, Agent
from marksim.core.sim.commands import joined
from marksim.core.sim.inputs import InputLog, digest_of
from marksim.core.types import EXECUTION, CommandKind, ExecutionKind, Side, Tick

_ACCOUNT, _LEAVES, _MAKER, _KIND = map((EXECUTION.names or ()).index, ("account", "leaves_lots", "maker_account", "kind"))
"""Places in a row of EXECUTION."""
_NOBODY: Final = (0, 0, 0, 0)
_TRADED: Final = int(ExecutionKind.TRADED)
_ACCOUNT_BYTES: Final = slice(8, 16)
"""Of a row of COMMAND."""

Outboxes = Mapping[str, Sequence[bytes]]
"""Rows of COMMAND by symbol, in the order of the instruments."""


class Keeper:
    """Keeps the inputs of agents without a state, until the log is full. `accounts` are theirs; nobody's without a log."""

    def __init__(self, log: InputLog | None, symbols: Sequence[str]) -> None:
        self.log = log
        self.accounts: dict[int, Agent] = {}
        self._symbols = symbols
        self._places: dict[str, int] = {}

    @property
    def keeps(self) -> bool:
        """Whether there is a log that is not full."""
        return self.log is not None and not self.log.full

    def watch(self, agents: Iterable[Agent]) -> None:
        """Keep what reaches those of these agents that are without a state."""
        kept = [agent for agent in agents if agent.kind == STATELESS and not agent.over]
        self.accounts = {agent.spec.account: agent for agent in kept}
        traded = {symbol for agent in kept for symbol in agent.spec.symbols}
        self._places = {symbol: place for place, symbol in enumerate(self._symbols) if symbol in traded}

    def sent(self, window: int, outboxes: Outboxes) -> None:
        """What agents have sent in a window."""
        if self.log is not None and self.accounts:
            for account, digest in digests_of(outboxes, self.accounts).items():
                self.log.sent(window, account, digest)
            self._look()

    def tick(self, window: int, symbol: str, tick: Tick) -> None:
        """A tick of a window."""
        if self.log is not None and (place := self._places.get(symbol)) is not None:
            self.log.tick(window, place, tick)
            self._look()

    def executions(self, window: int, symbol: str, rows: Iterable[tuple[int, ...]]) -> None:
        """Order events, as tuples of EXECUTION's columns: of each that concerns somebody here, his side."""
        if self.log is None or (place := self._places.get(symbol)) is None:
            return
        accounts = self.accounts
        for row in rows:
            is_taker = row[_ACCOUNT] in accounts
            is_maker = row[_MAKER] in accounts and row[_KIND] == _TRADED
            if is_taker or is_maker:
                taker = row[_ACCOUNT : _ACCOUNT + 3] if is_taker else _NOBODY[:3]
                leaves = row[_LEAVES] if is_taker else 0
                maker = row[_MAKER : _MAKER + 4] if is_maker else _NOBODY
                kept = (*row[:_ACCOUNT], *taker, *row[_ACCOUNT + 3 : _LEAVES], leaves, *maker, *row[_KIND:])
                self.log.execution(window, place, kept)
        self._look()

    def event(self, window: int, plain: Mapping[str, Any]) -> None:
        """An event that was injected for the start of a window."""
        if self.log is not None and self.accounts:
            self.log.event(window, plain)
            self._look()

    def _look(self) -> None:
        if not self.keeps:
            self.accounts, self._places = {}, {}


def digests_of(outboxes: Outboxes, accounts: Container[int]) -> dict[int, int]:
    """Of each of these accounts that sends something, the digest of its commands."""
    rows: dict[int, list[bytes]] = {}
    for place, outbox in enumerate(outboxes.values()):
        mark = place.to_bytes(4, "little")
        for row in outbox:
            account = int.from_bytes(row[_ACCOUNT_BYTES], "little")
            if account in accounts:
                rows.setdefault(account, []).extend((mark, row))
    return {account: digest_of(of) for account, of in rows.items()}


def told_of(outboxes: Outboxes, account: int) -> str:
    """The commands of an account, for people."""
    told = []
    for symbol, outbox in outboxes.items():
        for row in joined(list(outbox)) if outbox else ():
            if row["account"] == account:
                what, price = f"{CommandKind(row['kind']).name} {Side(row['side']).name}", int(row["price_ticks"])
                told.append(f"{what} of {row['quantity_lots']} lots at {price} ticks in {symbol}")
    return f"{len(told)} command{'s' * (len(told) > 1)}, the first {told[0]}" if told else "no commands"
