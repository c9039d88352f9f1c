#!/usr/bin/env bash
# Makes .venv hold exactly what the lock file says, and the project itself: deploy/venv.sh run|dev
# Skipped when nothing that decides it has changed. An environment once made for development stays one.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/installed
interpreters=(${PYTHON:+"$PYTHON"} python3 python3.11 python3.12 python3.13)

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

find_python() {
    local candidate
    for candidate in "${interpreters[@]}"; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "Overread needs Python 3.11 or newer, and none of these is: ${interpreters[*]}. Set PYTHON=/path/to/python3.11."
}

# uv does not read pip's configuration; a site's own package index is meant for both.
share_pip_index() {
    local index
    index=$("$venv/bin/pip" config get global.index-url 2>/dev/null || true)
    index=${PIP_INDEX_URL:-$index}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
}

install_lock() {
    if "$venv/bin/uv" --version >/dev/null 2>&1; then
        share_pip_index
        "$venv/bin/uv" pip sync --quiet --compile-bytecode --python "$venv/bin/python" --require-hashes --no-build-isolation "$1"
    else
        "$venv/bin/pip" install --quiet --require-hashes --no-build-isolation -r "$1"
    fi
}

install_all() {
    [ -x "$venv/bin/python" ] || "$(find_python)" -m venv --clear "$venv" || die "Python could not make $venv."
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock &&
        install_lock "requirements/$1.lock" ||
        die "The Python packages could not be installed; the message is above. Is the package index reachable?"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
}

main() {
    local kind=${1:-} made wanted
    [ "$kind" = run ] || [ "$kind" = dev ] || die "Usage: deploy/venv.sh run|dev"
    made=$(cat "$stamp" 2>/dev/null || true)
    [ "${made%% *}" != dev ] || kind=dev
    wanted="$kind $(cat requirements/bootstrap.lock "requirements/$kind.lock" pyproject.toml deploy/venv.sh | sha256sum)"
    [ "$made" != "$wanted" ] || [ ! -x "$venv/bin/overread" ] || return 0
    say "Installing the Python packages of requirements/$kind.lock into $venv"
    install_all "$kind"
    printf '%s\n' "$wanted" >"$stamp"
}

main "$@"
