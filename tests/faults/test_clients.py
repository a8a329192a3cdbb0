"""Outside clients that do not give up, and the checks of what they were told: sound markets pass, each lie is found."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marksim.client.values import Instrument
from marksim.codec import decode_columns
from marksim.core.types import EXECUTION, ExecutionKind, Records
from marksim.core.warm import BOOK, compile_kernels
from marksim.runtime.channel import open_channel
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc, types_pb2
from tests.client.live import live
from tests.e2e.market import eventually
from tests.faults.clients import Trader, account_name, final_orders, instruments_of, trade_all
from tests.faults.ledger import (
    AGAIN,
    CANCELLED,
    LOST,
    SENT,
    SUBMITTED,
    UNANSWERED,
    Answer,
    Ledger,
    Listed,
    check_answers,
    check_executions,
    check_final,
    own_rows,
    read_ledger,
    shortened,
    status_of,
)
from tests.faults.proxy import Proxy

ACCOUNTS = tuple(account_name(number) for number in range(4))


@dataclass
class Evidence:
    """What a session of clients left behind."""

    answers: list[Answer]
    final: Listed
    executions: dict[str, Records]
    instruments: dict[str, Instrument]

    def problems(self) -> list[str]:
        found = [*check_answers(self.answers), *check_final(self.answers, self.final)]
        return [*found, *check_executions(self.answers, self.final, self.executions, self.instruments)]


async def gather_executions(stub: Any, rows: list[Records]) -> None:
    """Collect all order events of the book as its archiver would."""
    request = pb.StreamTicksRequest(parts=[pb.FRAME_PART_EXECUTIONS], after_window=-1)
    async for message in stub.StreamTicks(request):
        rows += [decode_columns(frame.executions, EXECUTION) for frame in message.frames if frame.executions.count]


async def session(path: Path, least: int) -> Evidence:
    """Clients trade through a line that breaks every few answers, until they have so many answers."""
    rows: list[Records] = []
    async with live() as market, Proxy(seed=1) as proxy:
        link = await proxy.link("book", "127.0.0.1", market.market.port)
        async with open_channel(market.market.address) as straight, open_channel(link.address) as channel:
            gathering = asyncio.create_task(gather_executions(orderbook_pb2_grpc.OrderBookServiceStub(straight), rows))
            with Ledger(path) as ledger:
                stub = orderbook_pb2_grpc.OrderBookServiceStub(channel)
                traders = [Trader(stub, name, ledger, seed=3, pause_s=0.01) for name in ACCOUNTS]
                stop = asyncio.Event()
                trading = asyncio.create_task(trade_all(traders, stop))
                for breaks in range(1, 4):

                    async def enough(until: int = least * breaks // 3) -> bool:
                        return sum(trader.answers for trader in traders) >= until

                    await eventually(enough)
                    link.reset()
                stop.set()
                assert await trading == 0
            assert link.connections > 1
            final = await final_orders(market.market.address, ACCOUNTS)
            last = (await orderbook_pb2_grpc.OrderBookServiceStub(straight).GetRun(pb.GetRunRequest())).last_window

            async def all_told() -> bool:
                return bool(len(rows)) and market.window > last + 5

            await eventually(all_told)
            gathering.cancel()
        return Evidence(
            read_ledger(path), final, {"BTC/USD": np.concatenate(rows)}, await instruments_of(market.market.address)
        )


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """One session for all tests, which change copies of it."""
    compile_kernels(BOOK)
    return asyncio.run(session(tmp_path_factory.mktemp("ledger") / "ledger.jsonl", 150))


def test_sound_market_has_no_problem(evidence: Evidence) -> None:
    """Whatever breaks between them, clients of a sound market find nothing wrong, and they did all that they can do."""
    assert evidence.problems() == []
    kinds = {answer.kind for answer in evidence.answers}
    assert {SENT, SUBMITTED, CANCELLED, AGAIN} == kinds
    assert sum(len(answer.fills) for answer in evidence.answers if answer.kind == SUBMITTED) > 10
    assert {answer.status for answer in evidence.answers} >= {"FILLED", "OPEN", "CANCELLED"}


def first(evidence: Evidence, kind: str, *, filled: bool = False) -> int:
    """Place of the first such answer."""
    return next(
        place for place, answer in enumerate(evidence.answers) if answer.kind == kind and (answer.fills or not filled)
    )


def with_answer(evidence: Evidence, place: int, **changed: Any) -> Evidence:
    answers = list(evidence.answers)
    answers[place] = replace(answers[place], **changed)
    return replace(evidence, answers=answers)


def test_lies_in_answers_are_found(evidence: Evidence) -> None:
    """Another run, another order_id, another window, less filled than before, too many fills and no answer are all seen."""
    again = first(evidence, AGAIN)
    filled = first(evidence, SUBMITTED, filled=True)
    lies = {
        "acknowledged in 2 runs": with_answer(evidence, again, run="another"),
        "and then": with_answer(evidence, again, order_id=10**9),
        "was answered with window": with_answer(evidence, again, window=10**9),
        "has more fills than": with_answer(evidence, filled, filled="0.000"),
        "was never answered": with_answer(evidence, filled, kind=UNANSWERED),
        "was lost: UNKNOWN_ORDER": with_answer(evidence, filled, kind=LOST, message="UNKNOWN_ORDER: there is none"),
    }
    for sentence, lie in lies.items():
        assert any(sentence in problem for problem in check_answers(lie.answers)), sentence


def changed_order(evidence: Evidence, key: tuple[str, str, str], **changed: Any) -> Evidence:
    order = types_pb2.Order()
    order.CopyFrom(evidence.final.orders[key])
    for name, value in changed.items():
        setattr(order, name, value)
    return replace(evidence, final=Listed({**evidence.final.orders, key: order}))


def test_lies_at_the_end_are_found(evidence: Evidence) -> None:
    """A missing order, one that nobody sent, less filled, what does not add up and a shared order_id are all seen."""
    key = evidence.answers[first(evidence, SUBMITTED, filled=True)].key
    others = {name: order for name, order in evidence.final.orders.items() if name != key}
    other = next(order for name, order in others.items() if order.order_id and name[1] == key[1])
    lies = {
        "and is missing": replace(evidence, final=Listed(others)),
        "nobody sent it": replace(evidence, answers=[one for one in evidence.answers if one.key != key]),
        "filled and then": changed_order(evidence, key, filled_quantity="0.000"),
        "left of": changed_order(evidence, key, leaves_quantity="1000.000"),
        "have one order_id": changed_order(evidence, key, order_id=other.order_id),
    }
    for sentence, lie in lies.items():
        assert any(sentence in problem for problem in check_final(lie.answers, lie.final)), sentence


def test_forgotten_orders_are_not_missed(evidence: Evidence) -> None:
    """Of an account with as many closed orders as the book keeps, an old closed one may be gone; an open one may not."""
    closed = next(one for one in reversed(evidence.answers) if one.kind in (SUBMITTED, AGAIN) and one.status == "FILLED")
    orders = {key: order for key, order in evidence.final.orders.items() if key != closed.key}
    assert check_final(evidence.answers, Listed(orders, most_closed=1)) == []
    resting = next(key for key, order in orders.items() if status_of(order) == "OPEN")
    del orders[resting]
    (problem,) = check_final(evidence.answers, Listed(orders, most_closed=1))
    assert "is missing" in problem


def with_rows(evidence: Evidence, rows: Records) -> Evidence:
    return replace(evidence, executions={"BTC/USD": rows})


def test_lies_in_the_events_are_found(evidence: Evidence) -> None:
    """An order that is recorded twice or not at all, a trade that is lost or doubled and a cancel of less are all seen."""
    rows = evidence.executions["BTC/USD"]
    own = own_rows(rows, ACCOUNTS)
    accepted = own[own["kind"] == ExecutionKind.ACCEPTED]
    one = accepted[np.isin(accepted["order_id"], own["order_id"][own["kind"] == ExecutionKind.CANCELLED])][0]
    order = rows["order_id"] == one["order_id"]
    is_accepted = order & (rows["kind"] == ExecutionKind.ACCEPTED)
    doubled = rows[is_accepted].copy()
    unknown = doubled.copy()
    unknown["order_id"] = 10**9
    less = rows.copy()
    less["quantity_lots"][order & (rows["kind"] == ExecutionKind.CANCELLED)] -= 1
    traded = np.isin(rows["sequence"], [fill[0] for answer in evidence.answers for fill in answer.fills])
    lies = {
        "is not in the events": with_rows(evidence, rows[~is_accepted]),
        "was accepted 2 times": with_rows(evidence, np.concatenate([rows, doubled])),
        "are in no answer": with_rows(evidence, np.concatenate([rows, unknown])),
        "left are not": with_rows(evidence, less),
        "was told and is not in the events": with_rows(evidence, rows[~traded]),
        "filled at the end": with_rows(evidence, np.concatenate([rows, rows[traded]])),
    }
    for sentence, lie in lies.items():
        assert any(sentence in problem for problem in lie.problems()), sentence


def test_ledger_survives_a_torn_line(tmp_path: Path) -> None:
    """What was written is read back; the half line of a writer that was killed is left out, and the next writer goes on."""
    path = tmp_path / "sub" / "ledger.jsonl"
    line = Answer(SUBMITTED, "a", "BTC/USD", "1", order_id=7, fills=((1, "50000.00", "0.001"),))
    assert read_ledger(path) == []
    with Ledger(path) as ledger:
        ledger.write(line)
    assert read_ledger(path) == [line]
    with path.open("a") as file:
        file.write('{"kind":"subm')
    assert read_ledger(path) == [line]
    with Ledger(path) as ledger:
        ledger.write(line)
    assert read_ledger(path) == [line, line]
    assert all(json.loads(text) for text in path.read_text().splitlines())


def test_many_problems_are_counted() -> None:
    """Of very many problems the first are shown and the rest counted."""
    many: Sequence[str] = [str(number) for number in range(100)]
    assert shortened(many)[:2] == ["0", "1"] and shortened(many)[-1] == "and 80 more"
    assert shortened(many[:3]) == ["0", "1", "2"]
