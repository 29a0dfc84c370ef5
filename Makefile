# Umbel. `make help` lists what there is; `make demo` and `make test` need nothing but Python 3.11+.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One stamp per set of dependencies, so that the demo installs no more than it runs.
$(VENV)/.demo-stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev-stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo-stamp

$(VENV)/.bench-stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@ $(VENV)/.dev-stamp $(VENV)/.demo-stamp

.PHONY: demo
demo: $(VENV)/.demo-stamp ## Start a whole demo cluster with live traffic and the console on top
	@$(BIN)/umbel demo

.PHONY: test
test: $(VENV)/.dev-stamp ## Run every test (starts its own servers and workers)
	$(BIN)/python -m pytest

.PHONY: check
check: format-check lint types contracts test ## Everything that must be green before a commit

.PHONY: format
format: $(VENV)/.dev-stamp ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --select I .

.PHONY: format-check
format-check: $(VENV)/.dev-stamp
	$(BIN)/ruff format --check .

.PHONY: lint
lint: $(VENV)/.dev-stamp ## Lint
	$(BIN)/ruff check .

.PHONY: types
types: $(VENV)/.dev-stamp ## Type check, strict
	$(BIN)/mypy

.PHONY: contracts
contracts: $(VENV)/.dev-stamp ## Check which part may import which
	$(BIN)/lint-imports

.PHONY: dev
dev: $(VENV)/.dev-stamp ## Install everything a contributor needs into .venv

.PHONY: clean
clean: ## Remove what the commands above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .demo dist
