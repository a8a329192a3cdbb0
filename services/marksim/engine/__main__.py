"""`python -m marksim.engine`."""

from marksim.runtime.signals import StopSignals

if __name__ == "__main__":
    # Before the imports that take a second: a signal at any moment ends the process in order.
    StopSignals().install()

    from marksim.engine.service import EngineService
    from marksim.engine.settings import EngineSettings
    from marksim.runtime.serve import run_service

    run_service("engine", EngineSettings, EngineService)
