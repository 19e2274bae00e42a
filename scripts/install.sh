#!/usr/bin/env bash
# Install Guru, editable, into .venv, with the dependency groups named as arguments (test, check).
# uv is four times as fast as pip; where it cannot be had, or cannot reach the machine's package index, pip does it.
set -euo pipefail
cd "$(dirname "$0")/.."

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Guru needs Python 3.11 or newer. Install one, or name it: make setup PYTHON=/path/to/python3.12" >&2
    return 1
}

if [ ! -x .venv/bin/python ]; then
    python=$(find_python)
    if command -v uv >/dev/null; then
        uv venv --quiet --python "$(command -v "$python")" .venv
    elif ! "$python" -m venv .venv; then
        echo "On Debian and Ubuntu the package python3-venv makes this work; or put uv on the PATH." >&2
        exit 1
    fi
fi

wanted=(--editable .)
for group in "$@"; do
    wanted+=(--group "$group")
done

uv=$(command -v uv || echo .venv/bin/uv)
if [ ! -x "$uv" ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv ||
        echo "uv cannot be installed here; pip takes its place." >&2
fi
if [ -x "$uv" ] && "$uv" pip install --python .venv/bin/python --constraint constraints.txt "${wanted[@]}"; then
    exit 0
fi
.venv/bin/python -m ensurepip --upgrade >/dev/null 2>&1 || true
.venv/bin/python -m pip install --quiet --constraint constraints.txt 'pip>=25.1'
.venv/bin/python -m pip install --constraint constraints.txt "${wanted[@]}"
