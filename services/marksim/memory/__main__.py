"""`python -m marksim.memory`."""

from marksim.runtime.signals import StopSignals

if __name__ == "__main__":
    # Before the imports that take a second: a signal at any moment ends the process in order.
    StopSignals().install()

    from marksim.memory.service import MemoryService
    from marksim.memory.settings import MemorySettings
    from marksim.runtime.serve import run_service

    run_service("memory", MemorySettings, MemoryService)
