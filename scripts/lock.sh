#!/usr/bin/env bash
# Write constraints.txt anew: one version of every package, for every platform, that pip and uv both read.
# `scripts/lock.sh --upgrade` takes the newest versions; without it the present ones are kept where they fit.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$(command -v uv || echo .venv/bin/uv)
"$uv" pip compile pyproject.toml --group test --group check --group tools --group stores \
    --universal --python-version 3.11 --output-file constraints.txt \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet "$@"
