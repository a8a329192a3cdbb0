"""How many files this process may open. A connection is one, and beyond the limit nobody is even accepted to be refused."""

import sys

import psutil

if sys.platform != "win32":
    import resource


def raise_file_limit(wanted: int) -> int | None:
    """Raise the limit of open files to `wanted`, or as near as the system lets; returns the limit, None where is none."""
    if sys.platform == "win32":
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    if soft < wanted:
        target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        except (ValueError, OSError):
            # macOS has a second limit below an infinite hard one and tells it nowhere; then it stays as it was.
            return soft
        soft = target
    return soft


def open_files() -> int:
    """Files, sockets among them, that this process has open."""
    return 0 if sys.platform == "win32" else int(psutil.Process().num_fds())
