#!/usr/bin/env bash
# Run every check that needs no running system; all of them run, and the failures are named at the end.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
export PATH="$PWD/.venv/bin:$PATH"

failed=()
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        printf '  ok  %s\n' "$name"
    else
        printf 'FAIL  %s\n%s\n' "$name" "$output"
        failed+=("$name")
    fi
}

check "ruff check" ruff check
check "ruff format" ruff format --check
check "mypy" mypy
check "import-linter" lint-imports
# First of buf's: it puts the imported .proto files where buf.yaml expects them.
check "generated code is fresh" python scripts/proto/generate.py --check
check "buf lint" buf lint
check "buf format" buf format -d --exit-code proto
check "buf breaking" buf breaking proto --against proto/baseline.binpb
check "generated documentation is fresh" python scripts/docs.py --check
check "gateway configuration is valid" python scripts/gateway.py --check
check "what is made in deploy/ is fresh" python scripts/deploy.py --check
check "manifests have no unknown field, and Helm likes the chart" python scripts/manifests.py
check "hadolint" hadolint deploy/Dockerfile
mapfile -t workflow_files < <(git ls-files -- '.github/workflows/*.yaml')
check "workflows" check-jsonschema --builtin-schema vendor.github-workflows "${workflow_files[@]}"
if command -v promtool >/dev/null; then
    check "alerts" promtool check rules deploy/observability/alerts.yaml
    check "alerts fire when they should" promtool test rules deploy/observability/alerts_test.yaml
else
    echo "      alerts: not checked, because promtool (Debian's package prometheus) is not here"
fi
mapfile -t shell_files < <(git ls-files -- '*.sh' .ci/run)
check "shellcheck" shellcheck "${shell_files[@]}"

if ((${#failed[@]})); then
    printf 'lint: %d of the checks failed: %s\n' "${#failed[@]}" "$(IFS=,; echo "${failed[*]}")" >&2
    exit 1
fi
