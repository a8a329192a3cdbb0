"""python -m marksim.orderbook: one order book shard."""

from marksim.runtime.signals import StopSignals

if __name__ == "__main__":
    # Before the imports that take a second: a signal at any moment ends the process in order.
    StopSignals().install()

    from marksim.orderbook.service import OrderBookService
    from marksim.orderbook.settings import OrderBookSettings
    from marksim.runtime.serve import run_service

    run_service("orderbook", OrderBookSettings, OrderBookService)
