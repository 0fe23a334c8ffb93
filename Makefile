# `make help` lists the targets; every one sets up what it needs.
SHELL := /bin/bash
BIN := .venv/bin
STATE ?= $(HOME)/.local/state/gthulhu

.PHONY: help setup setup-tests demo up test lint format proto docs bpf build image bench bench-kernel fuzz chaos test-kernel clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv, unless it is up to date
	@scripts/setup.sh

demo: setup ## Show the whole path at work on two real processes, then clean up
	@$(BIN)/gthulhu demo

up: setup ## Run manager, agent and gateway in the foreground (ARGS="--nodes 3" simulates more agents)
	@$(BIN)/gthulhu up --state-dir "$(STATE)" $(ARGS)

setup-tests: ## Make .venv with a real mongod for tests, and install Chromium where it can
	@scripts/setup.sh tests

test: setup-tests bpf ## Run all tests; what was skipped, and why, is listed at the end
	@$(BIN)/pytest -m "not long"

lint: setup ## Run every check of code, schema, configuration and documentation
	@scripts/lint.sh

format: setup ## Bring code and schema into shape
	@$(BIN)/ruff check --fix --quiet; $(BIN)/ruff format --quiet; $(BIN)/buf format -w proto

proto: setup ## Generate gthulhu/v1 from proto/
	@$(BIN)/python scripts/proto/generate.py

docs: setup ## Generate the reference pages that come from code
	@$(BIN)/python scripts/docs.py
	@$(BIN)/python scripts/deploy.py

bpf: setup ## Build the BPF objects of the agent (installs clang and libbpf by apt, where they are missing)
	@scripts/bpf.sh

build: setup bpf ## Make the wheel and the source distribution in dist/
	@$(BIN)/python -m build --outdir dist .

image: ## Build the container images gthulhu:dev and gthulhu-gateway:dev (needs docker or podman, and network)
	@tool=$$(command -v docker || command -v podman) || { echo "image: needs docker or podman" >&2; exit 1; }; \
	"$$tool" build --file deploy/Dockerfile --build-arg REVISION=$$(git rev-parse HEAD) --tag gthulhu:dev . && \
	"$$tool" build --file deploy/Dockerfile --target gateway --tag gthulhu-gateway:dev .

bench: setup ## Run the benchmarks (ONLY=name runs some of them); writes build/bench.json
	@$(BIN)/python scripts/bench.py

bench-kernel: setup ## Compare schedulers in a virtual machine (ratios only); writes build/bench-kernel.json
	@$(BIN)/python scripts/bench_kernel.py

fuzz: setup ## Send all hostile inputs, and try properties with thousands of examples (GTHULHU_FUZZ_SEED=n for others)
	@HYPOTHESIS_PROFILE=fuzz GTHULHU_FUZZ=full $(BIN)/pytest -m "hypothesis or fuzz" --timeout 1800

chaos: setup-tests ## Run the tests that kill parts of the running system over and over
	@$(BIN)/pytest -m long -k chaos --timeout 1800

test-kernel: setup-tests bpf ## Run the tests that need root and this machine's kernel
	@$(BIN)/pytest -m kernel

clean: ## Remove what was built, but not .venv
	@rm -rf build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis
