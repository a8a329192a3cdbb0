"""An engine at the end of a window, from its state: who has a state takes it, who has none is played again by the inputs."""

from collections.abc import Mapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import numpy as np

from marksim.core.errors import InvalidInput, MarksimError
from marksim.core.feed.ticks import tick_of
from marksim.core.sim.agent import EPHEMERAL, RESTORABLE, STATELESS, Agent
from marksim.core.sim.candles import CandleMaker
from marksim.core.sim.casting import is_object, made
from marksim.core.sim.events import Happening, event_from_plain
from marksim.core.sim.inputs import InputLog, LoggedWindow, NonDeterministic
from marksim.core.sim.keeping import digests_of, told_of
from marksim.core.sim.orders import OwnOrder
from marksim.core.sim.plain import decoded
from marksim.core.sim.scheduler import Entry
from marksim.core.sim.state import (
    INBOX,
    ORDERS,
    STATE_VERSION,
    AnyWait,
    EngineState,
    arrays_of,
    label,
    order_of,
    order_row,
    timeouts_of,
    waits_of,
)
from marksim.core.sim.views import OwnFill
from marksim.core.types import EXECUTION

if TYPE_CHECKING:
    from marksim.core.sim.engine import AsyncTimeEngine


class CannotRestore(MarksimError):
    """An agent did not take its state; the message names it and says what was wrong."""

    reason = "CANNOT_RESTORE"

    def __init__(self, agent: str, detail: str) -> None:
        super().__init__(f"agent {agent} cannot be restored: {detail}", metadata={"agent": agent})
        self.agent = agent


def restore(engine: "AsyncTimeEngine", state: EngineState) -> None:
    """Bring an engine in which nobody has begun to where the state was taken."""
    _Restoring(engine, state).restore()


class _Restoring:
    """One engine being restored."""

    def __init__(self, engine: "AsyncTimeEngine", state: EngineState) -> None:
        self._engine = engine
        self._arrays = state.arrays
        self._document = state.document
        self._check()
        self._window = state.window
        self._end_ns = engine.start_ns + (state.window + 1) * engine.lookahead_ns
        self._agents = list(zip(engine.everyone, state.document["agents"], strict=True))
        replayed = [one for one, record in self._agents if record["kind"] == STATELESS and not record["over"]]
        self._replayed = dict.fromkeys(replayed)
        self._orders: dict[tuple[Agent, str, int], OwnOrder] = {}
        self._heap: list[tuple[int, int, Entry]] = []

    def restore(self) -> None:
        engine, document = self._engine, self._document
        self._take_log()
        if self._replayed and engine.log is not None:
            play_again(engine, list(self._replayed), engine.log, self._window)
        for agent, record in self._agents:
            agent.stateless, agent.restarts = record["stateless"], record["restarts"]
            if agent not in self._replayed:
                # Until it goes on, further down.
                agent.over, agent.serial = True, record["serial"]
        engine.take_up(self._window, document["counters"], document["failures"])
        for agent, record in self._agents:
            if agent in self._replayed:
                self._check_numbers(agent, record)
        self._restore_feeds()
        self._restore_holdings()
        # What reaches agents at the end of the window itself is still to come.
        engine.scheduler.now_ns = self._end_ns - 1
        for agent, record in self._agents:
            if record["kind"] == EPHEMERAL and not record["over"]:
                engine.leave_out(agent)
            elif record["kind"] == RESTORABLE and not record["over"]:
                self._go_on(agent, record)
        self._restore_places()
        # Again: agents that went on have been counted.
        engine.take_up(self._window, document["counters"], document["failures"])

    def _check(self) -> None:
        engine, document = self._engine, self._document
        if document.get("version") != STATE_VERSION:
            written = f"this state has version {document.get('version')}, and this program reads {STATE_VERSION}"
            raise InvalidInput(f"{written}: go on with the release that wrote it, or begin a new run")
        told = (
            ("seed, start_ns and lookahead_ns", document["clock"], [engine.seed, engine.start_ns, engine.lookahead_ns]),
            ("symbols", document["symbols"], list(engine.symbols)),
            ("agents", [record["name"] for record in document["agents"]], [one.name for one in engine.everyone]),
        )
        for what, saved, present in told:
            if saved != present:
                raise InvalidInput(f"this state is of another market: its {what} are {saved}, here they are {present}")

    def _take_log(self) -> None:
        """Let the log end where the state was taken."""
        log, mark = self._engine.log, self._document["log"]
        if mark is None:
            if log is not None:
                log.fill()
            return
        if log is None or log.full:
            if self._replayed:
                names = ", ".join(agent.name for agent in self._replayed)
                raise InvalidInput(f"the input log is missing, without which {names} cannot be played again")
            return
        log.cut(self._window)
        if log.mark() != mark:
            raise InvalidInput(
                f"the input log is not that of this state: up to window {self._window} it has {log.mark()} rows, not {mark}"
            )

    def _check_numbers(self, agent: Agent, record: Mapping[str, Any]) -> None:
        assert agent.market is not None, "it has begun"
        if agent.market.state() != record["market"]:
            raise NonDeterministic(agent.name, self._window, "it drew other numbers from market.rng than before")

    def _restore_feeds(self) -> None:
        engine = self._engine
        for place, (symbol, record) in enumerate(zip(engine.symbols, self._document["feeds"], strict=True)):
            crowd, feed = engine.crowd(symbol), engine.feed(symbol)
            crowd.restore(arrays_of(self._arrays, place))
            for interval_ns in record["candles"]:
                # In place: agents that were played again read them already.
                if interval_ns not in feed.candles:
                    feed.candles[interval_ns] = CandleMaker(symbol, feed.units, interval_ns, engine.now_ns, feed.newest)
                feed.candles[interval_ns].restore(self._arrays[f"candles.{place}.{interval_ns}"])
            feed.restore()

    def _restore_holdings(self) -> None:
        """Also those of agents that are over: what they sent may still come back. Of those played again all must be so."""
        symbols = self._engine.symbols
        orders: dict[tuple[int, int], list[list[int]]] = {}
        for place, symbol, *row in self._arrays[ORDERS].tolist():
            orders.setdefault((place, symbol), []).append(row)
        inbox: dict[tuple[int, int], list[Any]] = {}
        for place, symbol, *notice in self._arrays[INBOX].tolist():
            inbox.setdefault((place, symbol), []).append(tuple(notice))
        for place, (agent, record) in enumerate(self._agents):
            for holding, (state, reach, key) in zip(agent.holdings, record["holdings"], strict=True):
                at = (place, symbols.index(holding.symbol))
                rows, notices = orders.get(at, []), inbox.get(at, [])
                if agent in self._replayed:
                    opened = [order_row(order) for order in holding.orders.values()]
                    same = (holding.state(), opened, list(holding.inbox)) == (state, [row[:-1] for row in rows], notices)
                    if not same or record["serial"] != agent.serial:
                        raise NonDeterministic(
                            agent.name, self._window, f"its position or its orders in {holding.symbol} differ"
                        )
                else:
                    for *row, is_open in rows:
                        order = self._orders[agent, holding.symbol, row[0]] = order_of(holding, row)
                        if is_open:
                            holding.orders[order.serial] = order
                    holding.inbox.clear()
                    holding.inbox.extend(notices)
                holding.restore(state, scheduled=key is not None and record["kind"] != EPHEMERAL)
                holding.reach.restore(reach)
                if key is not None and record["kind"] != EPHEMERAL:
                    self._heap.append((*key, holding))

    def _go_on(self, agent: Agent, record: Mapping[str, Any]) -> None:
        """Let an agent with a state take it, and run to where it waits."""
        engine, serial = self._engine, agent.serial
        market = engine.market_of(agent)
        market.restore(record["market"])
        try:
            restorable = made(agent.spec, market)
            if not is_object(restorable):
                raise TypeError(f"it gave {type(restorable).__name__}, no object with run(), state() and restore()")
            restorable.restore(decoded(record["state"], lambda name: self._order(agent, name)))
            coroutine = restorable.run()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # The agent's own mistake, of any kind.
            raise CannotRestore(agent.name, f"{type(error).__name__}: {error}") from error
        if not isinstance(coroutine, CoroutineType):
            raise CannotRestore(agent.name, "its run() must be `async def` with no `yield`")
        agent.over, agent.restorable = False, restorable
        agent.go_on(coroutine)
        if agent.over:
            failure = next((one for one in engine.failures if one.name == agent.name), None)
            ended = "its run() returned" if failure is None else f"its run() raised {failure.told}"
            raise CannotRestore(agent.name, f"{ended} before it waited for anything") from (
                None if failure is None else failure.error
            )
        if agent.serial != serial:
            raise CannotRestore(agent.name, "its run() sent something before it waited for what had been pending")
        if market.state()["rng"] != record["market"]["rng"]:
            raise CannotRestore(agent.name, "its run() drew from market.rng before it waited for what had been pending")
        market.restore(record["market"])
        self._restore_fills(agent, record["fills"])

    def _restore_fills(self, agent: Agent, fills: list[Any]) -> None:
        """What lay unread in its streams of fills, which it has made again."""
        streams = agent.live_streams()
        if [one.symbol for one in streams] != [symbol for symbol, *_ in fills]:
            raise CannotRestore(agent.name, f"its run() has {len(streams)} market.fills(), before it had {len(fills)}")
        for stream, (_, overflowed, unread) in zip(streams, fills, strict=True):
            stream.overflowed = overflowed
            for symbol, serial, *fill in unread:
                order = self._order(agent, [symbol, serial])
                stream.buffer.append(OwnFill(order, order.holding.units, *fill))

    def _order(self, agent: Agent, name: list[Any]) -> OwnOrder:
        symbol, serial = name
        return self._orders[agent, symbol, serial]

    def _restore_places(self) -> None:
        """Give all that is waited for its place in the order of things."""
        engine, scheduler = self._engine, self._engine.scheduler
        keys = scheduler.keys()
        timeouts = timeouts_of(keys)
        waits: list[list[AnyWait]] = []
        for agent, record in self._agents:
            has = [] if agent.over else waits_of(agent, timeouts.get(agent, []))
            waits.append(has)
            present = [(label(wait), None if (key := keys.get(wait)) is None else key[0]) for wait in has]
            recorded = [(what, None if key is None else key[0]) for what, key in record.get("waits", [])]
            if present != recorded:
                self._waits_for_other(agent, present, recorded)
            for wait, (_, key) in zip(has, record.get("waits", []), strict=True):
                if key is not None:
                    self._heap.append((*key, wait))
        for time_ns, order, arguments in self._document["happenings"]:
            self._heap.append((time_ns, order, Happening(engine, *arguments)))
        for symbol, record in zip(engine.symbols, self._document["feeds"], strict=True):
            engine.feed(symbol).waiting = {waits[place][leaf]: None for place, leaf in record["waiting"]}
        scheduler.restore(self._end_ns, self._document["counters"][-1], self._heap)

    def _waits_for_other(self, agent: Agent, present: list[Any], recorded: list[Any]) -> None:
        def told(waits: list[Any]) -> str:
            said = [what if time_ns is None else f"{what} at {time_ns} ns" for what, time_ns in waits]
            return " and ".join(said) or "nothing"

        detail = f"it waits for {told(present)}, before it waited for {told(recorded)}"
        if agent in self._replayed:
            raise NonDeterministic(agent.name, self._window, detail)
        raise CannotRestore(agent.name, detail)


def play_again(engine: "AsyncTimeEngine", agents: list[Agent], log: InputLog, last: int) -> None:
    """Start these agents at the start of the run, and let them live until the end of a window by what reached them.

    Nobody else does anything. Raises NonDeterministic where one of them sends something else than it did, or fails.
    """
    accounts = {agent.spec.account: agent for agent in agents}
    for agent in agents:
        engine.start(agent)
    inputs = log.windows()
    head = next(inputs, None)
    while True:
        wake_ns = engine.next_wake_ns
        due = last + 1 if wake_ns is None else (wake_ns - engine.start_ns) // engine.lookahead_ns
        window = due if head is None else min(due, head.window)
        if window > last:
            break
        found = head if head is not None and head.window == window else LoggedWindow(window)
        if found is head:
            head = next(inputs, None)
        _play_window(engine, accounts, found)
    for agent in agents:
        if agent.over:
            raise NonDeterministic(agent.name, last, "it had ended by then, which it had not")
    engine.failures.clear()


def _play_window(engine: "AsyncTimeEngine", accounts: Mapping[int, Agent], found: LoggedWindow) -> None:
    window, failures = found.window, len(engine.failures)
    engine.skip_to(window)
    for plain in found.events:
        engine.inject(event_from_plain(plain))
    engine.run_agents(window)
    for failure in engine.failures[failures:]:
        raise NonDeterministic(failure.name, window, f"it failed, which it had not: {failure.told}")
    sent = digests_of(engine.outboxes, accounts)
    wanted = {account: digest for account, digest in found.sent.items() if account in accounts}
    if sent != wanted:
        account = min(one for one in sent.keys() | wanted.keys() if sent.get(one) != wanted.get(one))
        before = "it had sent other ones" if account in wanted else "it had sent none"
        now = f"it sent {told_of(engine.outboxes, account)}, where " if account in sent else "it sent nothing, where "
        raise NonDeterministic(accounts[account].name, window, now + before)
    engine.drop_sent()
    end_ns = engine.start_ns + (window + 1) * engine.lookahead_ns
    symbols = engine.symbols
    for place in found.ticks.keys() | found.executions.keys():
        row = found.ticks.get(place)
        tick = None if row is None else tick_of(row[0].item())
        engine.crowd(symbols[place]).deliver(found.executions.get(place, np.zeros(0, EXECUTION)), tick, end_ns)
    engine.learn(window)
