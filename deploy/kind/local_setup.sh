#!/usr/bin/env bash
# Make a kind cluster with Gthulhu in it; run again, it brings the cluster up to date.
# CLUSTER names it (gthulhu); images that are not there yet are built (make image).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cluster=${CLUSTER:-gthulhu}
context=kind-$cluster
for tool in docker kind kubectl; do
    command -v "$tool" >/dev/null || { echo "local_setup: needs $tool" >&2; exit 1; }
done

if ! kind get clusters 2>/dev/null | grep -qx "$cluster"; then
    kind create cluster --name "$cluster" --wait 120s
fi
for image in gthulhu:dev gthulhu-gateway:dev; do
    if ! docker image inspect "$image" >/dev/null 2>&1; then
        make image
    fi
    kind load docker-image "$image" --name "$cluster"
done
for part in mongo manager decisionmaker; do
    kubectl --context "$context" apply -f "deploy/kind/$part"
done

wait_for() { kubectl --context "$context" -n gthulhu-system rollout status --timeout 300s "$1"; }
wait_for statefulset/gthulhu-mongodb
wait_for deployment/gthulhu-manager
wait_for deployment/gthulhu-gateway
wait_for daemonset/gthulhu-agent
echo "Gthulhu runs in $context; deploy/kind/local_test.sh shows it at work"
