"""Both books through whatever a trader or an operator may do next; a way to a difference is made as short as it can be."""

from typing import Final

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from marksim.core.book.book import OrderBook
from marksim.core.book.checks import violations
from marksim.core.book.compiled import INTERPRETED
from marksim.core.book.reference import ReferenceBook
from marksim.core.types import BandAction, BookOutput, Records, SessionState, Side, StopTrigger, TimeInForce
from tests.core.book.commands import (
    amend,
    batch,
    cancel,
    cancel_all,
    instrument,
    limit,
    market,
    same,
    set_session,
    stop,
)
from tests.core.book.ledger import Ledger

LOWEST, HIGHEST = 5, 25
SMALL: Final = {"min_price_ticks": LOWEST, "max_price_ticks": HIGHEST, "reference_price_ticks": 15, "auction_ns": 3}
HALT, QUOTE = BandAction.HALT, StopTrigger.QUOTE
DAY: Final = ((0, SessionState.PRE_OPEN), (4, SessionState.CONTINUOUS), (60, SessionState.CLOSING_AUCTION))
WORLDS: Final = {
    "plain": instrument(**SMALL),
    "protected": instrument(**SMALL, market_protection_ticks=2, stop_trigger=QUOTE),
    "bands that reject": instrument(**SMALL, static_band_ppm=300_000, dynamic_band_ppm=150_000),
    "bands that halt": instrument(**SMALL, static_band_ppm=200_000, dynamic_band_ppm=100_000, band_action=HALT, halt_ns=4),
    "halts of no time": instrument(
        **{**SMALL, "auction_ns": 0}, dynamic_band_ppm=100_000, band_action=HALT, stop_trigger=QUOTE
    ),
    "a day": instrument(**SMALL, sessions=DAY, static_band_ppm=300_000, band_action=HALT, halt_ns=2),
}
MAX_ORDERS: Final = 12

accounts = st.integers(1, 3)
sides = st.sampled_from([Side.BUY, Side.SELL])
prices = st.integers(LOWEST - 1, HIGHEST + 1) | st.integers(13, 17)
quantities = st.integers(2, 20)
preventions = st.sampled_from([0, 0, 0, 1, 2, 3, 4])
spans = st.integers(1, 12)
OPENING, CONTINUOUS = SessionState.OPENING_AUCTION, SessionState.CONTINUOUS
states = st.sampled_from([*SessionState, OPENING, CONTINUOUS, CONTINUOUS])


class Books(RuleBasedStateMachine):
    """The plain book and the compiled one, and what their rows add up to."""

    names = Bundle("names")
    """(account, serial) of orders that came, of which some are gone."""

    @initialize(world=st.sampled_from(sorted(WORLDS)), start_ns=st.sampled_from([0, 3, 4, 70]))
    def open(self, world: str, start_ns: int) -> None:
        self.plain = ReferenceBook(WORLDS[world], MAX_ORDERS, start_ns)
        self.fast = OrderBook(WORLDS[world], MAX_ORDERS, start_ns)
        self.ledger = Ledger(self.plain.session_state)
        self.now_ns, self.serial = start_ns, 0

    @rule(
        target=names,
        account=accounts,
        side=sides,
        price=prices,
        quantity=quantities,
        terms=st.fixed_dictionaries(
            {},
            optional={
                "time_in_force": st.sampled_from([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
                "post_only": st.sampled_from([1, 2]),
                "min_quantity_lots": st.integers(1, 8),
            },
        ),
        prevention=preventions,
    )
    def limit_order(
        self, account: int, side: Side, price: int, quantity: int, terms: dict[str, int], prevention: int
    ) -> tuple[int, int]:
        return self._new(limit(side, price, quantity, 0, account, self_trade_prevention=prevention, **terms))

    @rule(target=names, account=accounts, side=sides, price=prices, quantity=quantities, shown=st.integers(1, 6))
    def iceberg(self, account: int, side: Side, price: int, quantity: int, shown: int) -> tuple[int, int]:
        return self._new(limit(side, price, quantity, 0, account, display_lots=shown))

    @rule(target=names, account=accounts, side=sides, price=prices, quantity=quantities, lasts_ns=spans)
    def order_that_expires(self, account: int, side: Side, price: int, quantity: int, lasts_ns: int) -> tuple[int, int]:
        until = {"time_in_force": int(TimeInForce.GTD), "expire_time_ns": self.now_ns + lasts_ns}
        return self._new(limit(side, price, quantity, 0, account, **until))

    @rule(account=accounts, side=sides, quantity=quantities, fok=st.booleans(), prevention=preventions)
    def market_order(self, account: int, side: Side, quantity: int, fok: bool, prevention: int) -> None:
        life = int(TimeInForce.FOK) if fok else 0
        self._new(market(side, quantity, 0, account, time_in_force=life, self_trade_prevention=prevention))

    @precondition(lambda self: self.plain.session_state in {SessionState.PRE_OPEN, SessionState.OPENING_AUCTION})
    @rule(target=names, account=accounts, side=sides, price=st.none() | prices, quantity=quantities)
    def order_for_the_open(self, account: int, side: Side, price: int | None, quantity: int) -> tuple[int, int]:
        order = market(side, quantity, 0, account) if price is None else limit(side, price, quantity, 0, account)
        return self._new({**order, "time_in_force": int(TimeInForce.AT_THE_OPEN)})

    @rule(
        target=names,
        account=accounts,
        side=sides,
        at=prices,
        price=st.none() | prices,
        quantity=quantities,
        life=st.sampled_from([0, 0, int(TimeInForce.IOC), int(TimeInForce.FOK)]),
    )
    def stop_order(self, account: int, side: Side, at: int, price: int | None, quantity: int, life: int) -> tuple[int, int]:
        limited = {} if price is None else {"price_ticks": price, "time_in_force": life}
        return self._new(stop(side, at, quantity, 0, account, **limited))

    @rule(name=names, side=sides, price=prices, quantity=quantities)
    def order_of_a_used_name(self, name: tuple[int, int], side: Side, price: int, quantity: int) -> None:
        self._apply(limit(side, price, quantity, name[1], name[0]))

    @rule(
        name=names,
        price=st.just(0) | prices,
        quantity=st.just(0) | quantities,
        post_only=st.sampled_from([0, 0, 0, 1, 2]),
        prevention=preventions,
    )
    def amend_order(self, name: tuple[int, int], price: int, quantity: int, post_only: int, prevention: int) -> None:
        more = {"post_only": post_only, "self_trade_prevention": prevention}
        self._apply(amend(name[1], price, quantity, name[0], **more))

    @rule(target=names, name=names, quantity=quantities)
    def rename_order(self, name: tuple[int, int], quantity: int) -> tuple[int, int]:
        self.serial += 1
        self._apply(amend(name[1], 0, quantity, name[0], serial=self.serial))
        return name[0], self.serial

    @rule(name=names)
    def cancel_order(self, name: tuple[int, int]) -> None:
        self._apply(cancel(name[1], name[0]))

    @rule(account=accounts, side=st.sampled_from([0, 1, 2]))
    def cancel_all_orders(self, account: int, side: int) -> None:
        self._apply(cancel_all(account, side))

    @rule(state=states, lasts_ns=st.none() | spans)
    def change_session(self, state: SessionState, lasts_ns: int | None) -> None:
        self._apply(set_session(state, self.now_ns + lasts_ns if lasts_ns else 0))

    @rule(span_ns=spans)
    def time_passes(self, span_ns: int) -> None:
        self.now_ns += span_ns

    @rule(span_ns=spans)
    def window_ends(self, span_ns: int) -> None:
        self.now_ns += span_ns
        self._apply(end_ns=self.now_ns)

    @invariant()
    def sound(self) -> None:
        """Rows, levels, queues and session add up, and both books show the same."""
        assert self.ledger.check(self.fast) == []
        assert violations(self.fast) == []
        assert self.plain.session == self.fast.session
        assert self.plain.next_due_ns == self.fast.next_due_ns
        assert np.array_equal(self.plain.by_order(3, 2), self.fast.by_order(3, 2))

    def _new(self, order: dict[str, int]) -> tuple[int, int]:
        self.serial += 1
        self._apply({**order, "serial": self.serial})
        return order["account"], self.serial

    def _apply(self, *commands: dict[str, int], end_ns: int = 0) -> None:
        rows = batch(*({**command, "time_ns": self.now_ns} for command in commands))
        expected, output = self.plain.apply(rows, end_ns), self.fast.apply(rows, end_ns)
        assert same(expected, output)
        assert self.plain.state_hash() == self.fast.state_hash()
        self.ledger.add(output)


def steps(examples: int, shrinks: bool = True) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        suppress_health_check=[*HealthCheck],
    )


def test_no_way_leads_to_a_difference() -> None:
    """Whatever comes next, the books tell the same of it; a way to a difference is printed as a program."""
    run_state_machine_as_test(Books, settings=steps(40 if INTERPRETED else 250))


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that takes 8 where a buyer said 7 is found out."""
    apply = OrderBook.apply

    def generous(self: OrderBook, commands: Records, *more: int) -> BookOutput:
        commands = commands.copy()
        commands["quantity_lots"][(commands["side"] == Side.BUY) & (commands["quantity_lots"] == 7)] += 1
        return apply(self, commands, *more)

    monkeypatch.setattr(OrderBook, "apply", generous)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Books, settings=steps(100, shrinks=False))
