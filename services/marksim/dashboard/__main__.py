"""`python -m marksim.dashboard`."""

from marksim.dashboard.service import DashboardService
from marksim.dashboard.settings import DashboardSettings
from marksim.runtime.serve import run_service


def main() -> None:
    """Run the dashboard until it is told to stop."""
    run_service("dashboard", DashboardSettings, DashboardService)


if __name__ == "__main__":
    main()
