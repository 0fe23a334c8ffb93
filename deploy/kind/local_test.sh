#!/usr/bin/env bash
# Show Gthulhu at work in the cluster of local_setup.sh: two busybox pods, a strategy for one of them, and what becomes
# of its CPU weight. Everything that it makes is removed at the end.
set -euo pipefail

cluster=${CLUSTER:-gthulhu}
context=kind-$cluster
port=${PORT:-18081}
url=https://localhost:$port
for tool in curl docker kubectl python3; do
    command -v "$tool" >/dev/null || { echo "local_test: needs $tool" >&2; exit 1; }
done
scratch=$(mktemp -d)
forward=
token=
kube() { kubectl --context "$context" "$@"; }
api() {
    local method=$1 path=$2
    shift 2
    curl --silent --show-error --fail-with-body --cacert "$scratch/ca.crt" --request "$method" "$url$path" \
        --header "authorization: Bearer $token" --header 'content-type: application/json' "$@"
}
clean_up() {
    if [[ -n $token ]]; then
        api DELETE /api/v1/strategies --data '{"strategyId": "'"${strategy:-}"'"}' >/dev/null 2>&1 || true
    fi
    if [[ -n $forward ]]; then
        kill "$forward" 2>/dev/null || true
    fi
    kube delete pod gthulhu-web gthulhu-batch --ignore-not-found --now >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap clean_up EXIT
# Prints what a Python expression over the JSON `it` on standard input gives.
pick() { python3 -c 'import json, sys; it = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
# Runs a command again until it succeeds, for 60 s at most.
until_it_holds() {
    local tries
    for ((tries = 0; tries < 60; tries++)); do
        if "$@"; then
            return 0
        fi
        sleep 1
    done
    echo "local_test: did not come true: $*" >&2
    return 1
}

for app in web batch; do
    kube apply -f - <<MANIFEST
apiVersion: v1
kind: Pod
metadata:
  name: gthulhu-$app
  labels: {app: $app}
spec:
  containers:
    - name: main
      image: busybox:1.36
      command: [sh, -c, 'while :; do :; done']
      resources:
        requests: {cpu: 100m, memory: 16Mi}
        limits: {cpu: 100m, memory: 16Mi}
MANIFEST
done
kube wait --for condition=Ready --timeout 120s pod/gthulhu-web pod/gthulhu-batch

secret() { kube -n gthulhu-system get secret "$1" --output "jsonpath={.data.$2}" | base64 --decode; }
secret gthulhu-gateway-tls 'ca\.crt' >"$scratch/ca.crt"
kube -n gthulhu-system port-forward service/gthulhu-gateway "$port:443" >/dev/null &
forward=$!
answers() { curl --silent --fail --cacert "$scratch/ca.crt" "$url/health" >/dev/null; }
until_it_holds answers
credentials=$(secret gthulhu-admin password | python3 -c \
    'import json, sys; print(json.dumps({"username": "admin", "password": sys.stdin.read()}))')
token=$(api POST /api/v1/auth/login --data "$credentials" | pick 'it["data"]["token"]')

weight() {
    local uid node
    uid=$(kube get pod "gthulhu-$1" --output 'jsonpath={.metadata.uid}')
    node=$(kube get pod "gthulhu-$1" --output 'jsonpath={.spec.nodeName}')
    docker exec "$node" sh -c \
        "cat \$(find /sys/fs/cgroup -type d \( -name '*pod${uid//-/_}.slice' -o -name 'pod$uid' \) | head -n 1)/cpu.weight"
}
before=$(weight web)
strategy=$(api POST /api/v1/strategies --data \
    '{"name": "local-test", "labelSelectors": [{"key": "app", "value": "web"}], "k8sNamespace": ["default"],
      "priority": 3, "executionTime": 20000000}' | pick 'it["data"]["id"]')
applied() {
    [[ $(api GET /api/v1/intents | pick 'any(one["podName"] == "gthulhu-web" and one["state"] == "APPLIED"
                                          for one in it["data"]["intents"])') == True ]]
}
until_it_holds applied
heavier() { (($(weight web) > before)); }
until_it_holds heavier
echo "CPU weight of gthulhu-web: $before -> $(weight web); of gthulhu-batch: $(weight batch)"
api DELETE /api/v1/strategies --data '{"strategyId": "'"$strategy"'"}' >/dev/null
restored() { (($(weight web) == before)); }
until_it_holds restored
echo "CPU weight of gthulhu-web after the strategy: $(weight web)"
