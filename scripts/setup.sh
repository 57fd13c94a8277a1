#!/usr/bin/env bash
# Makes .venv inside the project and installs one group of pinned Python packages into it.
# usage: scripts/setup.sh demo|test|peers
#
# Running it again costs nothing: a copy of the requirements that were installed stands in .venv as a stamp.
set -euo pipefail
cd "$(dirname "$0")/.."

group=${1:?usage: scripts/setup.sh demo|test|peers}
python=.venv/bin/python

stamped() { # Whether the packages of requirements file $1 are installed as it says.
    cmp -s "scripts/requirements-$1.txt" ".venv/installed-$1.txt"
}

install() {
    echo "setup: installing scripts/requirements-$1.txt into .venv"
    # PIP_USER=0: a `user = true` in someone's pip configuration has no place in a virtual environment.
    # Everything else in that configuration (an index of their own, a proxy) stays in force.
    PIP_USER=0 "$python" -m pip install --quiet --disable-pip-version-check -r "scripts/requirements-$1.txt"
    cp "scripts/requirements-$1.txt" ".venv/installed-$1.txt"
}

# A moved folder or a removed Python leaves a .venv whose interpreter does not start: make it anew.
if ! "$python" -c '' 2>/dev/null; then
    echo "setup: making .venv"
    "${PYTHON:-python3}" -m venv --clear .venv
fi

# The other groups include the demo group, so a change of either file installs it again.
case $group in
    demo) stamped demo || install demo ;;
    test | peers)
        { stamped demo && stamped "$group"; } || {
            install "$group"
            cp scripts/requirements-demo.txt .venv/installed-demo.txt
        }
        ;;
    *) echo "setup: unknown group \"$group\"; it is demo, test or peers" >&2; exit 2 ;;
esac
