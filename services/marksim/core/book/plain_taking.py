"""How an order that comes trades in the plain book; reference.py says what must come of it."""

from itertools import takewhile

from marksim.core.book.plain import RestingOrder, Rows
from marksim.core.book.plain_checks import PlainChecks
from marksim.core.types import BandAction, Reason, SelfTradePrevention, Side, TimeInForce


class PlainTaking(PlainChecks):
    """Lets orders take what the other side has."""

    def _take(self, order: RestingOrder, life: int, prevention: int, smallest: int, rows: Rows) -> tuple[Reason, bool]:
        """Trade what the order may.

        Why what it has left is cancelled, or UNSPECIFIED where that rests or there is none; and whether it halts the market.
        """
        own_last = order.price or self._last_market_price(order.side)
        last_price = self._inside_band(order.side, own_last)
        could_trade = self._could_trade(order, last_price, prevention)
        if life == TimeInForce.FOK and could_trade < order.leaves:
            return Reason.FOK_NOT_FILLED, False
        if could_trade < smallest:
            return Reason.MIN_QUANTITY, False
        if self._match(order, last_price, prevention, rows):
            return Reason.SELF_TRADE, False
        held = order.leaves > 0 and self._takes_at(order.side, own_last)
        halts = held and self._rules.band_action == BandAction.HALT
        if not order.price:
            return Reason.PRICE_BAND if self._best(Side(order.side).opposite) else Reason.NO_LIQUIDITY, halts
        if held and not halts:
            return Reason.PRICE_BAND, False
        return Reason.IOC_REMAINDER if life == TimeInForce.IOC else Reason.UNSPECIFIED, halts

    def _last_market_price(self, side: int) -> int:
        """How far a market order trades, bands aside."""
        buy = side == Side.BUY
        far = self._rules.max_price_ticks if buy else self._rules.min_price_ticks
        best = self._best(Side(side).opposite) or far
        protection = self._rules.market_protection_ticks
        if not protection:
            return far
        return min(far, best + protection) if buy else max(far, best - protection)

    def _within(self, taker: RestingOrder, last_price: int) -> list[int]:
        """Prices of the other side at which the taker may trade, best first."""
        prices = self._prices(Side(taker.side).opposite)
        return [price for price in prices if (price <= last_price if taker.side == Side.BUY else price >= last_price)]

    def _could_trade(self, taker: RestingOrder, last_price: int, prevention: int) -> int:
        """What the other side has for FOK and min_quantity."""
        found, goes_on = 0, prevention in {SelfTradePrevention.UNSPECIFIED, SelfTradePrevention.CANCEL_OLDEST}
        for price in self._within(taker, last_price):
            queue = self._sides[Side(taker.side).opposite][price]
            others = [order for order in queue if not prevention or order.group != taker.group]
            if len(others) == len(queue) or goes_on:
                found += sum(order.leaves for order in others)
            else:
                before = takewhile(lambda order: order.group != taker.group, queue)
                found += sum(order.shown for order in before)
                break
        return found

    def _match(self, taker: RestingOrder, last_price: int, prevention: int, rows: Rows) -> bool:
        """Trade down to the last price; one depth row for each level that changed. True if the taker met its own order."""
        makers = Side(taker.side).opposite
        for price in self._within(taker, last_price):
            queue, sequence, stopped = self._sides[makers][price], self._sequence, False
            while queue and taker.leaves and not stopped:
                maker = queue[0]
                if prevention and maker.group == taker.group:
                    stopped = self._prevent(taker, maker, prevention, rows)
                    continue
                traded = min(taker.leaves, maker.shown)
                taker.leaves -= traded
                maker.leaves -= traded
                self._add_trade(rows, taker, maker, price, traded, taker.side)
                self._has_traded(maker, rows)
            if self._sequence > sequence:
                rows.depth.append(self._depth_row(makers, price))
            if stopped or not taker.leaves:
                return stopped
        return False

    def _prevent(self, taker: RestingOrder, maker: RestingOrder, prevention: int, rows: Rows) -> bool:
        """Do what the taker says of a self-trade; True if the taker stops there."""
        if prevention == SelfTradePrevention.DECREMENT:
            both = min(taker.leaves, maker.leaves)
            maker.quantity -= both
            taker.quantity -= both
            self._take_off(maker, both, Reason.SELF_TRADE, rows)
            self._take_off(taker, both, Reason.SELF_TRADE, rows)
        elif prevention != SelfTradePrevention.CANCEL_NEWEST:
            self._take_off(maker, maker.leaves, Reason.SELF_TRADE, rows)
        if not maker.leaves:
            self._remove(maker)
        return prevention in {SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.CANCEL_BOTH}

    def _uncross(self, rows: Rows) -> tuple[int, int]:
        """Trade what is crossed, at one price; that, and how much traded."""
        price, volume, _ = self._uncrossing()
        changed: set[tuple[int, int]] = set()
        left = volume
        while left:
            queues = [(side, self._best(side)) for side in (Side.BUY, Side.SELL)]
            buyer, seller = (self._sides[side][best][0] for side, best in queues)
            traded = min(buyer.shown, seller.shown, left)
            buyer.leaves -= traded
            seller.leaves -= traded
            left -= traded
            self._add_trade(rows, buyer, seller, price, traded, Side.UNSPECIFIED)
            self._has_traded(buyer, rows)
            self._has_traded(seller, rows)
            changed.update(queues)
        for side in (Side.BUY, Side.SELL):
            levels = sorted((at for of, at in changed if of == side), reverse=side == Side.BUY)
            rows.depth += [self._depth_row(side, at) for at in levels]
        self._reference = price or self._reference
        for side in (Side.BUY, Side.SELL):
            self._cancel_level_by_level(
                side, lambda order: order.life == TimeInForce.AT_THE_OPEN, Reason.AUCTION_REMAINDER, rows
            )
        return price, volume
