"""`python -m marksim.archiver`."""

from marksim.runtime.signals import StopSignals

if __name__ == "__main__":
    # Before the imports that take a second: a signal at any moment ends the process in order.
    StopSignals().install()

    from marksim.archiver.service import ArchiverService
    from marksim.archiver.settings import ArchiverSettings
    from marksim.runtime.serve import run_service

    run_service("archiver", ArchiverSettings, ArchiverService)
