#!/usr/bin/env bash
# Remove the cluster of local_setup.sh, if there is one.
set -euo pipefail

cluster=${CLUSTER:-gthulhu}
command -v kind >/dev/null || { echo "local_teardown: needs kind" >&2; exit 1; }
if kind get clusters 2>/dev/null | grep -qx "$cluster"; then
    kind delete cluster --name "$cluster"
fi
