#!/bin/sh
# Fails where proto/ breaks what clients of the base were built on. The base is BASE_REF, or where this branch left
# origin/main (or main), or, on main itself, the commit before.
set -eu
cd "$(dirname "$0")/.."
commit() { git rev-parse --quiet --verify "$1^{commit}" 2>/dev/null; }

head=$(commit HEAD) || { echo "buf breaking: skipped, this is no git checkout"; exit 0; }
base=''
for ref in ${BASE_REF:-origin/main main}; do
    if commit "$ref" >/dev/null; then
        base=$(git merge-base HEAD "$ref" 2>/dev/null || true)
        break
    fi
done
if [ -n "${BASE_REF:-}" ] && [ -z "$base" ]; then
    echo "buf breaking: BASE_REF=$BASE_REF is no commit that this history knows" >&2
    exit 1
fi
if [ -z "$base" ] || [ "$base" = "$head" ]; then
    base=$(commit HEAD~1) || { echo "buf breaking: skipped, HEAD has no commit before it"; exit 0; }
fi
if [ -z "$(git ls-tree --name-only "$base" proto)" ]; then
    echo "buf breaking: skipped, $base has no proto/ yet"
    exit 0
fi

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git archive "$base" proto buf.yaml | tar -x -C "$old"
.venv/bin/buf breaking --against "$old"
echo "buf breaking: nothing broken since $(git rev-parse --short "$base")"
