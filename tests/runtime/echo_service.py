"""A service process for test_signals: `python echo_service.py [--deaf] flags`."""

import sys
import threading

from marksim.runtime.serve import Lifecycle, run_service
from marksim.runtime.settings import ServiceSettings
from tests.runtime.served import Plain


class Deaf(Plain):
    """Blocks the event loop once it is told to end, so that only a second signal can end it in time."""

    async def run(self, lifecycle: Lifecycle) -> None:
        await lifecycle.draining.wait()
        threading.Event().wait(30)


if __name__ == "__main__":
    deaf = "--deaf" in sys.argv
    if deaf:
        sys.argv.remove("--deaf")
    run_service("edge", ServiceSettings, lambda _: Deaf() if deaf else Plain())
