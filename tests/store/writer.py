"""A process that appends windows to a journal, and says of each that it is there, until it is killed.

Argument 1 is its directory, argument 2 the durability. It trims as it goes, so that all threads of a journal are at work.
"""

import sys
from pathlib import Path

from marksim.store.journal import Durability, Journal, JournalLimits
from marksim.store.windows import RecordedWindow
from tests.store.recorded import RUN, empty, window

LIMITS = JournalLimits(max_age_s=3_600, soft_mib=1, hard_mib=64, log_mib=1, sync_ms=1)
KEPT = 150
"""Windows that are never dropped."""


def recorded(number: int) -> RecordedWindow:
    """What window this number is."""
    return empty(number) if number % 7 < 3 else window(number, most=120, share=1.0)


def main() -> None:
    """Go on after the last window."""
    with Journal(Path(sys.argv[1]), Durability(sys.argv[2]), LIMITS) as journal:
        if journal.run is None:
            journal.begin(RUN)
        while True:
            number = journal.last_window + 1
            journal.append(recorded(number), {"last": str(number).encode(), f"every/{number % 50}": bytes(number % 300)})
            print(number, flush=True)
            if number % 40 == 0:
                journal.set_saved(number)
                journal.trim(number - KEPT, number - KEPT)


if __name__ == "__main__":
    main()
