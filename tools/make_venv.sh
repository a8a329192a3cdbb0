#!/bin/sh
# Makes .venv from a Python that this package supports, or says in one line what is missing.
# PYTHON=/path/to/python chooses one; otherwise the first that fits of the names below.
set -eu
cd "$(dirname "$0")/.."
venv=${1:-.venv}

fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'
complete='import venv, ensurepip'
say() { printf 'make: %s\n' "$*" >&2; }

# A venv that still works is kept, one whose Python has gone is made anew.
if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c "$fits" 2>/dev/null && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

seen=''
bare=''
for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
    version=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
    seen="$seen $python is $version;"
    "$python" -c "$fits" 2>/dev/null || continue
    if ! "$python" -c "$complete" 2>/dev/null; then
        bare=${bare:-$python}
        continue
    fi
    say "making $venv with $python ($version)"
    exec "$python" -m venv --clear "$venv"
done

if [ -n "$bare" ]; then
    minor=$("$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "$bare has no venv module; on Debian and Ubuntu: sudo apt-get install python$minor-venv (or PYTHON=/path/to/another/python make ...)"
elif [ -n "$seen" ]; then
    say "needs Python 3.11 to 3.14, found:${seen%;}; install one, or name it: PYTHON=/path/to/python3.13 make ..."
else
    say "needs Python 3.11 to 3.14 and found none${PYTHON:+ as $PYTHON}; install one, or name it: PYTHON=/path/to/python3.13 make ..."
fi
exit 1
