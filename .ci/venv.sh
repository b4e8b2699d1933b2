#!/bin/sh
# Make the virtual environment $1 with the newest Python that works, or say what is missing.
# PYTHON, when set, is the only one tried.
set -eu

venv=$1

usable() {
    # A version manager may leave a `python3.13` on the PATH that only prints an error: running it is the only test.
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

chosen=
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if usable "$candidate"; then
        chosen=$candidate
        break
    fi
done

if [ -z "$chosen" ]; then
    fail "Hookgate needs Python 3.11 or newer; none of these is: ${PYTHON:-python3.13 python3.12 python3.11 python3}." \
        "Install one, or name it: make PYTHON=/path/to/python3.12 ..."
fi
if ! "$chosen" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    fail "$chosen cannot make virtual environments: its venv module is missing." \
        "On Debian and Ubuntu: apt-get install python3-venv"
fi
"$chosen" -m venv "$venv"
