#!/usr/bin/env bash
# Writes the lock files: every package with its hashes, no address of any index. deploy/lock.sh [--upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-annotate --no-header "$@"
}

compile "$@" requirements/bootstrap.in --output-file requirements/bootstrap.lock
compile "$@" pyproject.toml --output-file requirements/run.lock
compile "$@" pyproject.toml --extra dev --constraints requirements/run.lock --output-file requirements/dev.lock
