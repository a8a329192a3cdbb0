# Runs the service again each time it ends, so that an edit under /live is taken up at once: kill -HUP 1 ends the running one,
# so does a kill of the process in /tmp/service.pid. SIGTERM ends both for good, with the service's exit code.
# The copy goes before the package, and before whatever the image itself has on its path.
export PYTHONPATH="/live${PYTHONPATH:+:$PYTHONPATH}"
stop='' again='' child=''
end() { [ -z "$child" ] || kill -TERM "$child" 2>/dev/null; }
trap 'stop=1; end' TERM INT
trap 'again=1; end' HUP
while :; do
    again='' child=''
    python -m marksim "$@" &
    child=$!
    # A signal that came before the process was known is for it too.
    [ -z "$stop$again" ] || end
    echo "$child" >"${TMPDIR:-/tmp}/service.pid"
    # A signal ends the wait, not the service.
    while :; do
        wait "$child"
        code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    # A service that failed is given a moment, to be mended by the next edit.
    [ "$code" = 0 ] || sleep 1
    [ -z "$stop" ] || exit "$code"
    echo "live update: the service ended with $code and starts again" >&2
done
