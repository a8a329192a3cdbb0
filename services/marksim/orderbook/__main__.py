"""python -m marksim.orderbook: one order book shard."""

from marksim.orderbook.service import OrderBookService
from marksim.orderbook.settings import OrderBookSettings
from marksim.runtime.serve import run_service

if __name__ == "__main__":
    run_service("orderbook", OrderBookSettings, OrderBookService)
