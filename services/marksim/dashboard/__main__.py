"""`python -m marksim.dashboard`."""

from marksim.runtime.signals import StopSignals

if __name__ == "__main__":
    # Before the imports that take a second: a signal at any moment ends the process in order.
    StopSignals().install()

    from marksim.dashboard.service import DashboardService
    from marksim.dashboard.settings import DashboardSettings
    from marksim.runtime.serve import run_service

    run_service("dashboard", DashboardSettings, DashboardService)
