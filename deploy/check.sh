#!/usr/bin/env bash
# Runs every check, the ones after a failure too, and fails if any did. Changes nothing.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=()

check() {
    printf '== %s\n' "$*"
    ".venv/bin/$1" "${@:2}" || failed+=("$1${2:+ $2}")
}

check ruff check --no-cache .
check ruff format --no-cache --check .
check mypy
check mypy --strict deploy/front_end.py
check lint-imports --no-logo
check pytest --quiet -p no:cacheprovider tests/deploy/test_locks.py

if [ ${#failed[@]} -gt 0 ]; then
    printf 'Failed: %s\n' "$(IFS=,; printf '%s' "${failed[*]}" | sed 's/,/, /g')" >&2
    exit 1
fi
printf 'All checks passed.\n'
