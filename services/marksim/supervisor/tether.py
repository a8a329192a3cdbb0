"""Runs a service in a child process that ends when its supervisor does.

    python -m marksim.supervisor.tether marksim.edge --grpc-port 50054 ...

The child's standard input is a pipe whose other end the supervisor alone holds and never writes to. However the
supervisor dies, kill -9 included, the kernel closes that end, and the child reads an end of file. It then ends itself as
on SIGTERM, so an archiver still flushes, and without mercy once the grace is over. This works on every Unix, and needs no
code between fork and exec, where Python allows none that is safe beside threads.
"""

import os
import runpy
import signal
import sys
import threading
import time

# Above the services' own grace of 4 s.
_GRACE_S = 7.0


def _end_with_supervisor(descriptor: int) -> None:
    while os.read(descriptor, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Watch the pipe on a thread of its own, then become the module named by the first argument."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m marksim.supervisor.tether MODULE [FLAGS]")
    # The service gets an empty standard input of its own, so nothing else can drain the pipe.
    pipe = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    threading.Thread(target=_end_with_supervisor, args=(pipe,), name="tether", daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
