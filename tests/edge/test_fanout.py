"""Cohorts, conflation and cutting off, without sockets."""

import json
import random

import pytest

from marksim.edge.board import Board
from marksim.edge.fanout import Client, Fanout
from marksim.edge.message import EXTRA_FIELDS
from marksim.edge.subscription import Subscription
from tests.edge.market import instrument, tick

ALL = Subscription()


class Wire:
    """A transport in memory: takes writes unless `full`."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.full = False
        self.held = 0
        self.cuts: list[tuple[int, str]] = []

    def offer(self, data: bytes) -> bool:
        if not self.full and data:
            self.writes.append(data)
        return not self.full

    def drained(self) -> bool:
        return not self.full

    def buffered(self) -> int:
        return self.held

    def cut(self, code: int, reason: str) -> None:
        self.cuts.append((code, reason))

    @property
    def messages(self) -> list[dict[str, object]]:
        """All that was written, decoded."""
        data, found = b"".join(self.writes), []
        while data:
            size = data[1]
            start = 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            found.append(json.loads(data[start : start + size]))
            data = data[start + size :]
        return found

    def total(self) -> int:
        return sum(int(str(message["trade_count"])) for message in self.messages)


@pytest.fixture
def board() -> Board:
    board = Board(64)
    for symbol in ("BTC/USD", "ETH/USD"):
        board.list_instrument(instrument(symbol))
    return board


@pytest.fixture
def fanout(board: Board) -> Fanout:
    return Fanout(board, stall_s=30, wall_us=lambda: 5)


def advance(board: Board, fanout: Fanout, number: int, trades: int, now: float = 0.0) -> None:
    board.put("BTC/USD", "run", tick(number, trades))
    fanout.flush(now)


def test_all_who_keep_up_share_one_write(board: Board, fanout: Fanout) -> None:
    """Three ticks of two symbols are one write, and it is the same object for everyone."""
    wires = [Wire(), Wire()]
    for wire in wires:
        fanout.join(ALL, wire)
    board.put("BTC/USD", "run", tick(1))
    board.put("ETH/USD", "run", tick(1))
    board.put("BTC/USD", "run", tick(2))
    fanout.flush(0)
    assert len(wires[0].writes) == 1
    assert wires[0].writes[0] is wires[1].writes[0]
    assert [message["symbol"] for message in wires[0].messages] == ["BTC/USD", "ETH/USD", "BTC/USD"]


def test_a_newcomer_at_once_gets_the_last_tick_of_each_symbol_with_no_trades(board: Board, fanout: Fanout) -> None:
    """Its span begins there: the next tick counts from it."""
    advance(board, fanout, 1, 10)
    wire = Wire()
    fanout.join(ALL, wire)
    assert [message["trade_count"] for message in wire.messages] == [0]
    advance(board, fanout, 2, 14)
    assert wire.total() == 4


def test_a_newcomer_between_two_flushes_loses_no_trade(board: Board, fanout: Fanout) -> None:
    """What waits for the flush is not yet in its first tick, and comes."""
    advance(board, fanout, 1, 10)
    board.put("BTC/USD", "run", tick(2, 15))
    wire = Wire()
    fanout.join(ALL, wire)
    fanout.flush(0)
    assert [message["trade_count"] for message in wire.messages] == [0, 5]


def test_symbols_filter(board: Board, fanout: Fanout) -> None:
    """Only what was asked for is written, and nothing when nothing of it moved."""
    wire = Wire()
    fanout.join(Subscription(frozenset({"ETH/USD"})), wire)
    advance(board, fanout, 1, 1)
    assert not wire.writes
    board.put("ETH/USD", "run", tick(1))
    fanout.flush(0)
    assert [message["symbol"] for message in wire.messages] == ["ETH/USD"]


def test_a_slow_client_gets_the_newest_tick_with_all_it_missed(board: Board, fanout: Fanout) -> None:
    """Conflated while it is full, then one tick whose count is the sum, then as everyone."""
    slow, fast = Wire(), Wire()
    advance(board, fanout, 1, 10)
    for wire in (slow, fast):
        fanout.join(Subscription(None, EXTRA_FIELDS), wire)
    slow.full = True
    for number in (2, 3, 4):
        advance(board, fanout, number, number * 10)
    assert fanout.late == 1
    slow.full = False
    fanout.flush(0)
    assert (slow.messages[-1]["seq"], slow.messages[-1]["prev_seq"], slow.messages[-1]["trade_count"]) == (4, 1, 30)
    assert (fanout.late, fanout.counts.conflated) == (0, 2)
    advance(board, fanout, 5, 50)
    assert slow.writes[-1] is fast.writes[-1]
    assert slow.total() == fast.total() == 40


def test_a_client_that_drains_on_a_flush_gets_each_trade_once(board: Board, fanout: Fanout) -> None:
    """The flush on which it comes back counts in its own tick, not in the cohort's too."""
    wire = Wire()
    advance(board, fanout, 1, 10)
    fanout.join(ALL, wire)
    wire.full = True
    advance(board, fanout, 2, 20)
    wire.full = False
    advance(board, fanout, 3, 35)
    assert [message["trade_count"] for message in wire.messages] == [0, 25]


@pytest.mark.parametrize("seed", range(8))
def test_every_client_can_add_up_its_trades(seed: int) -> None:
    """Whoever comes, stalls, drains or goes when: the counts of a client sum to the trades of its span, over runs too."""
    chance = random.Random(seed)
    board = Board(16)
    board.list_instrument(instrument())
    fanout = Fanout(board, stall_s=1e9, wall_us=lambda: 5)
    board.put("BTC/USD", "run-0", tick(1, 0))
    fanout.flush(0)
    run = total = traded = 0
    number = 1
    begun: dict[int, int] = {}
    clients: list[tuple[Wire, Client]] = []
    for step in range(400):
        if chance.random() < 0.02:
            run, total, number = run + 1, 0, 0
        for _ in range(chance.choice((1, 1, 3, 40))):
            traded_now = chance.randrange(4)
            total, traded, number = total + traded_now, traded + traded_now, number + 1
            board.put("BTC/USD", f"run-{run}", tick(number, total))
        for wire, _ in clients:
            wire.full = chance.random() < 0.3
        fanout.flush(step)
        if chance.random() < 0.1:
            wire = Wire()
            clients.append((wire, fanout.join(ALL, wire)))
            begun[id(wire)] = traded
        if clients and chance.random() < 0.03:
            fanout.leave(clients.pop(chance.randrange(len(clients)))[1])
    for wire, _ in clients:
        wire.full = False
    fanout.flush(400)
    assert clients, f"seed {seed} has no client left"
    for wire, _ in clients:
        assert wire.total() == traded - begun[id(wire)], f"seed {seed}"


def test_a_client_that_reads_nothing_is_cut_off_and_neighbours_notice_nothing(board: Board, fanout: Fanout) -> None:
    """After `stall_s` without progress, with a reason; until then it holds no tick of its own."""
    stuck, fine = Wire(), Wire()
    for wire in (stuck, fine):
        fanout.join(ALL, wire)
    stuck.full, stuck.held = True, 70_000
    for second in range(32):
        advance(board, fanout, second + 1, second, now=second)
    assert [code for code, _ in stuck.cuts] == [1013]
    assert "30 s" in stuck.cuts[0][1]
    assert len(fine.writes) == 32
    assert (fanout.late, fanout.counts.stalled) == (0, 1)


def test_a_client_that_reads_slowly_stays(board: Board, fanout: Fanout) -> None:
    """Whoever's buffer shrinks is slow, not stalled."""
    wire = Wire()
    fanout.join(ALL, wire)
    wire.full, wire.held = True, 70_000
    for second in range(100):
        wire.held -= 10
        advance(board, fanout, second + 1, 0, now=second)
    assert not wire.cuts


def test_ticks_waiting_for_a_flush_are_bounded(board: Board, fanout: Fanout) -> None:
    """A burst keeps the newest and the sums."""
    advance(board, fanout, 1, 0)
    wire = Wire()
    fanout.join(ALL, wire)
    for number in range(2, 10_001):
        board.put("BTC/USD", "run", tick(number, number))
        assert board.waiting <= 64
    fanout.flush(0)
    assert wire.total() == 10_000
    assert len(wire.messages) <= 65


def test_a_tick_that_came_before_is_ignored(board: Board) -> None:
    """A resumed stream may repeat; time never goes back within a run."""
    assert board.put("BTC/USD", "run", tick(5))
    assert not board.put("BTC/USD", "run", tick(5))
    assert not board.put("BTC/USD", "run", tick(4))


def test_nothing_is_sent_to_who_has_left(board: Board, fanout: Fanout) -> None:
    """Neither from the cohort nor from among the late ones; leaving twice is harmless."""
    gone, late = Wire(), Wire()
    clients = [fanout.join(ALL, wire) for wire in (gone, late)]
    late.full = True
    advance(board, fanout, 1, 0)
    for client in (*clients, *clients):
        fanout.leave(client)
    late.full = False
    written = len(gone.writes)
    advance(board, fanout, 2, 0)
    assert (len(gone.writes), late.writes, fanout.late) == (written, [], 0)
