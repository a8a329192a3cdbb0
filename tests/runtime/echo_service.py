"""A service process for test_signals: `python echo_service.py [--deaf | --leaves-a-thread] flags`."""

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


class LeavesAThread(Plain):
    """Ends while a thread that nobody can interrupt still works."""

    async def run(self, lifecycle: Lifecycle) -> None:
        threading.Thread(target=threading.Event().wait, args=(30,)).start()
        await lifecycle.draining.wait()


KINDS = {"--deaf": Deaf, "--leaves-a-thread": LeavesAThread}

if __name__ == "__main__":
    asked = [flag for flag in KINDS if flag in sys.argv]
    for flag in asked:
        sys.argv.remove(flag)
    run_service("edge", ServiceSettings, lambda _: KINDS[asked[0]]() if asked else Plain())
