# Sourced by the commands of this folder: finds Python, makes .venv, installs what is missing.
# shellcheck shell=sh

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
VENV="$ROOT/.venv"

fail() {
    printf '%s: %s\n' "$(basename -- "$0")" "$1" >&2
    exit 1
}

is_python() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if is_python "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed (found: $(python3 --version 2>&1 || echo none)). Install one, or name it: PYTHON=/path/to/python3.12 $0"
}

# make_venv FILE...: the environment with these requirement files, installed once for each content.
make_venv() {
    # The mark is written last, and names the place: half made or moved environments are made anew.
    if [ "$(cat "$VENV/.made-at" 2>/dev/null)" != "$VENV" ] ||
        ! "$VENV/bin/python" -c 'import pip' >/dev/null 2>&1; then
        python=$(find_python) || exit 1
        printf 'Making .venv with %s ...\n' "$("$python" --version 2>&1)"
        rm -rf "$VENV"
        "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
            fail "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv"
        said=$("$python" -m venv "$VENV" 2>&1) || {
            rm -rf "$VENV"
            fail "The environment $VENV could not be made: $(printf '%s' "$said" | tail -n 1)"
        }
        printf '%s\n' "$VENV" >"$VENV/.made-at"
    fi
    for file in "$@"; do
        stamp="$VENV/.installed-$(basename -- "$file")"
        if ! cmp -s "$ROOT/$file" "$stamp"; then
            printf 'Installing %s packages from %s (about a minute the first time) ...\n' \
                "$(grep -c '==' "$ROOT/$file")" "$file"
            "$VENV/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-compile \
                --require-hashes -r "$ROOT/$file" ||
                fail "The packages could not be installed. Is the network there? Run it again."
            cp "$ROOT/$file" "$stamp"
        fi
    done
}
