"""`marksim replay JOURNAL`: a recorded session served again, on the same ports and to the same clients as `marksim run`.

It is `python -m marksim.main --replay JOURNAL`; `--from` stands for `--replay-from`.
"""

import sys
from collections.abc import Sequence

from marksim.main import start
from marksim.runtime.settings import EXIT_USAGE
from marksim.supervisor.settings import ReplaySettings, read_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Play it; returns the exit code."""
    given = sys.argv[1:] if argv is None else argv
    settings = read_settings([_flag(argument) for argument in given], ReplaySettings)
    if settings.replay is None:
        sys.stderr.write("marksim replay: give the JOURNAL to play: marksim replay data/journal (see --help)\n")
        return EXIT_USAGE
    return start(settings)


def _flag(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return f"--replay-from{equals}{value}" if name == "--from" else argument


if __name__ == "__main__":
    sys.exit(main())
