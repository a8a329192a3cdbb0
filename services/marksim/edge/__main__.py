"""python -m marksim.edge."""

from marksim.runtime.signals import StopSignals

if __name__ == "__main__":
    # Before the imports that take a second: a signal at any moment ends the process in order.
    StopSignals().install()

    from marksim.edge.service import EdgeService
    from marksim.edge.settings import EdgeSettings
    from marksim.runtime.serve import run_service

    run_service("edge", EdgeSettings, EdgeService)
