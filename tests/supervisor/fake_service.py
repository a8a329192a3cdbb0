"""A child for the supervisor's tests; its first argument says how it behaves."""

import contextlib
import json
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    """Behave as the mode says.

    `serve`: until SIGTERM. `refuse`: exit 2. `crash`: exit 1. `deaf`: ignores SIGTERM. `mark FILE TEXT`: notes its end.
    """
    mode = sys.argv[1]
    print(json.dumps({"event": "fake service up", "level": "info", "mode": mode}), file=sys.stderr, flush=True)
    if mode == "refuse":
        print("marksim fake: --grpc-port 1 is wrong", file=sys.stderr)
        sys.exit(2)
    if mode == "crash":
        sys.exit(1)
    ended = threading.Event()
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print(json.dumps({"event": "ready", "level": "info"}), file=sys.stderr, flush=True)
    while not ended.wait(0.05):
        pass
    if mode == "mark":
        with contextlib.suppress(OSError), Path(sys.argv[2]).open("a", encoding="utf-8") as file:
            file.write(sys.argv[3] + "\n")


if __name__ == "__main__":
    main()
