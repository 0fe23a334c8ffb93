#!/usr/bin/env bash
# Build the agent's BPF objects beside their sources: our sched_ext scheduler, and the collector of scheduler figures.
#
# clang, llvm and libbpf's headers are not on PyPI: root gets them from Debian or Ubuntu; without them the parts are left
# out, and the agent says at its start what it does instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ! -x $(command -v clang) || ! -e /usr/include/bpf/bpf_helpers.h ]] && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "bpf: installing clang, llvm, libbpf by apt"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clang llvm libbpf-dev >/dev/null
fi
.venv/bin/python -m gthulhu.agent.enforcement.sched_ext.build
.venv/bin/python -m gthulhu.agent.metrics.co_re.build
