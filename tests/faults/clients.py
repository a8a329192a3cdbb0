"""Outside clients that trade through whatever happens to the order book, and write down what they are told.

    python -m tests.faults.clients --address localhost:50051 --accounts 10 --ledger ledger.jsonl --seed 7

They trade until SIGTERM or SIGINT (or `--seconds`), wait for the answers that are still out, and end with 0; with 1 where
some did not come. Each order has a client order id of its own and is sent with it until it has an answer. Now and then an
order that was answered, in this process or one before, is sent again: that must change nothing.
"""

import argparse
import asyncio
import contextlib
import random
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from marksim.client.values import Instrument
from marksim.runtime.channel import error_reason, open_channel
from marksim.v1 import orderbook_pb2 as pb
from marksim.v1 import orderbook_pb2_grpc, types_pb2
from tests.faults.ledger import (
    AGAIN,
    CANCELLED,
    LOST,
    OPEN,
    REFUSED,
    SENT,
    SUBMITTED,
    UNANSWERED,
    Answer,
    Key,
    Ledger,
    Listed,
    read_ledger,
    status_of,
)

MENDS: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""Codes after which the same is sent again."""
CALL_S: Final = 5.0
LAST_ANSWERS_S: Final = 60.0
REMEMBERED: Final = 200
"""Answered orders of an account of which some are sent again."""
PAUSE_S: Final = 0.3


class Trader:
    """One account. `trade` until `stop`."""

    def __init__(self, stub: Any, account: str, ledger: Ledger, seed: int, pause_s: float = PAUSE_S) -> None:
        self._stub, self._account, self._ledger, self._pause_s = stub, account, ledger, pause_s
        self._random = random.Random(f"{seed} {account}")
        self._prefix, self._count = secrets.token_hex(4), 0
        self._stop = asyncio.Event()
        self._given_up = False
        self._answered: list[tuple[pb.SubmitOrderRequest, str]] = []
        self._open: dict[Key, pb.SubmitOrderRequest] = {}
        self._instruments: list[Instrument] = []
        self.unanswered = 0
        self.answers = 0

    def remember(self, answers: Sequence[Answer]) -> None:
        """Orders of an earlier process: they are sent again, too. Their terms do not matter, as their ids are known."""
        own = [answer for answer in answers if answer.account == self._account and answer.kind == SUBMITTED]
        for answer in own[-REMEMBERED // 2 :]:
            request = pb.SubmitOrderRequest(
                account=answer.account,
                symbol=answer.symbol,
                client_order_id=answer.client_order_id,
                side=f"SIDE_{answer.side}",
                order_type=types_pb2.ORDER_TYPE_MARKET,
                quantity=answer.quantity,
            )
            self._answered.append((request, answer.run))

    def stop(self) -> None:
        """No new order; what is out is still waited for."""
        self._stop.set()

    def give_up(self) -> None:
        """Do not wait any more."""
        self._given_up = True

    async def trade(self) -> None:
        """Trade until told to stop."""
        while not self._stop.is_set():
            if not self._instruments and not await self._learn():
                await self._wait(PAUSE_S)
                continue
            chance = self._random.random()
            if chance < 0.1 and self._answered:
                await self._send_again()
            elif chance < 0.3 and self._open:
                await self._cancel(self._random.choice(list(self._open.values())))
            else:
                await self._submit()
            await self._wait(self._random.expovariate(1.0) * self._pause_s)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _learn(self) -> bool:
        try:
            answer = await self._stub.ListInstruments(pb.ListInstrumentsRequest(), timeout=CALL_S)
        except grpc.aio.AioRpcError:
            return False
        self._instruments = [Instrument.of(one) for one in answer.instruments if one.shard == answer.shard]
        return bool(self._instruments)

    async def _order(self) -> pb.SubmitOrderRequest | None:
        """An order near the market that rests, takes, or does a part of both; None while nobody says where the market is."""
        instrument = self._random.choice(self._instruments)
        try:
            tick = (await self._stub.GetBook(pb.GetBookRequest(symbol=instrument.symbol, depth=1), timeout=CALL_S)).tick
        except grpc.aio.AioRpcError:
            return None
        self._count += 1
        buys = self._random.random() < 0.5
        lots = int(instrument.min_quantity / instrument.lot_size) + self._random.randrange(50)
        request = pb.SubmitOrderRequest(
            account=self._account,
            symbol=instrument.symbol,
            client_order_id=f"{self._prefix}-{self._count}",
            side=types_pb2.SIDE_BUY if buys else types_pb2.SIDE_SELL,
            order_type=types_pb2.ORDER_TYPE_MARKET,
            quantity=format(lots * instrument.lot_size, "f"),
        )
        how = self._random.random()
        if how < 0.8:
            # From ten ticks behind the own best price to ten beyond the other side's.
            distance = self._random.randint(-10, 10)
            best = (
                (tick.bid_price_ticks or tick.last_price_ticks) if buys else (tick.ask_price_ticks or tick.last_price_ticks)
            )
            ticks = best + (distance if buys else -distance)
            price = min(max(ticks * instrument.tick_size, instrument.min_price), instrument.max_price)
            request.order_type = types_pb2.ORDER_TYPE_LIMIT
            request.price = format(price, "f")
            request.time_in_force = types_pb2.TIME_IN_FORCE_IOC if how < 0.15 else types_pb2.TIME_IN_FORCE_GTC
        return request

    async def _submit(self) -> None:
        request = await self._order()
        if request is None:
            return
        side = types_pb2.Side.Name(request.side).removeprefix("SIDE_")
        self._ledger.write(self._line(SENT, request, side=side, quantity=request.quantity))
        answer = await self._until_answered("SubmitOrder", request, SUBMITTED)
        if answer is not None:
            self._answered = [*self._answered[-REMEMBERED:], (request, answer.run)]
            self._note(request, answer.order)

    async def _send_again(self) -> None:
        request, _ = self._random.choice(self._answered)
        answer = await self._until_answered("SubmitOrder", request, AGAIN)
        if answer is not None:
            self._note(request, answer.order)

    async def _cancel(self, submitted: pb.SubmitOrderRequest) -> None:
        name = (submitted.account, submitted.symbol, submitted.client_order_id)
        request = pb.CancelOrderRequest(account=name[0], symbol=name[1], client_order_id=name[2])
        answer = await self._until_answered("CancelOrder", request, CANCELLED)
        if answer is not None:
            self._note(submitted, answer.order)

    def _note(self, request: pb.SubmitOrderRequest, order: types_pb2.Order) -> None:
        key = (request.account, request.symbol, request.client_order_id)
        self._open.pop(key, None)
        if status_of(order) in OPEN:
            self._open[key] = request

    async def _until_answered(self, method: str, request: Any, kind: str) -> Any:
        """The answer, written down before it is returned; None where there is none to be had, which is written down, too."""
        began, tries = time.monotonic(), 0
        while not self._given_up:
            tries += 1
            try:
                answer = await getattr(self._stub, method)(request, timeout=CALL_S)
            except grpc.aio.AioRpcError as error:
                reason = error_reason(error) or error.code().name
                if error.code() in MENDS or reason == "MARKET_PAUSED":
                    # Also after `stop`: whoever tests waits for all answers.
                    await asyncio.sleep(self._random.uniform(0.05, 0.2))
                    continue
                lost = error.code() == grpc.StatusCode.NOT_FOUND
                message = f"{reason}: {error.details()}"
                self._ledger.write(self._line(LOST if lost else REFUSED, request, tries=tries, message=message))
                self._open.pop((request.account, request.symbol, request.client_order_id), None)
                return None
            fills = getattr(answer, "fills", ())
            took_s = round(time.monotonic() - began, 4)
            self._ledger.write(Answer.of(kind, answer.order, answer.run, answer.window, fills, tries=tries, took_s=took_s))
            self.answers += 1
            return answer
        self.unanswered += 1
        self._ledger.write(self._line(UNANSWERED, request, tries=tries, message="no answer before the end"))
        return None

    @staticmethod
    def _line(kind: str, request: Any, **more: Any) -> Answer:
        return Answer(kind, request.account, request.symbol, request.client_order_id, **more)


def account_name(number: int) -> str:
    """Of the clients of one market, from 0 on."""
    return f"faults/{number}"


async def final_orders(address: str, accounts: Sequence[str]) -> Listed:
    """All orders that the book lists of these accounts."""
    orders: dict[Key, types_pb2.Order] = {}
    async with open_channel(address) as channel:
        stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
        for account in accounts:
            token, more = "", True
            while more:
                request = pb.ListOrdersRequest(account=account, limit=1_000, page_token=token)
                page = await stub.ListOrders(request, timeout=30)
                orders |= {(account, order.symbol, order.client_order_id): order for order in page.orders}
                token, more = page.next_page_token, bool(page.next_page_token)
    return Listed(orders)


async def instruments_of(address: str) -> dict[str, Instrument]:
    """What is traded, by symbol."""
    async with open_channel(address) as channel:
        stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
        listed = await stub.ListInstruments(pb.ListInstrumentsRequest(), timeout=30)
    return {one.symbol: Instrument.of(one) for one in listed.instruments}


async def trade_all(traders: Sequence[Trader], stop: asyncio.Event) -> int:
    """Let them trade until `stop`, and give them a minute for the last answers; how many were not answered."""
    tasks = [asyncio.create_task(trader.trade()) for trader in traders]
    stopping = asyncio.create_task(stop.wait())
    # A trader that fails ends all: its error is the program's.
    await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for trader in traders:
        trader.stop()
    _, late = await asyncio.wait(tasks, timeout=LAST_ANSWERS_S)
    for trader in traders:
        trader.give_up()
    if late:
        await asyncio.wait(late)
    for task in tasks:
        task.result()
    return sum(trader.unanswered for trader in traders)


async def run(arguments: argparse.Namespace) -> int:
    """The program."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if arguments.seconds:
        loop.call_later(arguments.seconds, stop.set)
    before = read_ledger(arguments.ledger)
    with Ledger(arguments.ledger) as ledger:
        async with open_channel(arguments.address) as channel:
            stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            names = [account_name(number) for number in range(arguments.accounts)]
            traders = [Trader(stub, name, ledger, arguments.seed, arguments.pause_s) for name in names]
            for trader in traders:
                trader.remember(before)
            unanswered = await trade_all(traders, stop)
    print(f"{sum(trader.answers for trader in traders)} answers, {unanswered} never came")
    return 1 if unanswered else 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.clients", description="Outside clients that do not give up."
    )
    parser.add_argument("--address", required=True, help="the order book's, host:port")
    parser.add_argument("--accounts", type=int, default=10)
    parser.add_argument("--ledger", type=Path, required=True, help="file to which all answers are appended")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause-s", type=float, default=PAUSE_S, help="mean wall seconds between two orders of an account")
    parser.add_argument("--seconds", type=float, default=0.0, help="end by itself after so many; 0: never")
    return asyncio.run(run(parser.parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
