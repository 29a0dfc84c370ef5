# Umbel. `make help` lists what there is; `make demo` and `make test` need nothing but Python 3.11+.
# `make demo PYTHON=/path/to/python3.12` chooses another Python for the first installation.
PYTHON ?= python3 python3.13 python3.12 python3.11
VENV ?= .venv
BIN := $(VENV)/bin
# One more than there are cores, as live tests mostly wait; beyond four, starting a server and workers
# for each costs more than it gains.
TEST_PROCESSES ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); \
	[ "$$cores" -lt 3 ] && echo $$((cores + 1)) || echo 4)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The first Python that fits makes the environment; half an environment is not left behind.
$(BIN)/python:
	@for python in $(PYTHON); do \
	    "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	        >/dev/null 2>&1 || continue; \
	    echo "Making the environment $(VENV) with $$("$$python" --version) (once) …"; \
	    "$$python" -m venv --clear $(VENV) && exit 0; \
	    rm -rf $(VENV); exit 1; \
	done; \
	echo "Umbel needs Python 3.11, 3.12 or 3.13 and found none of them among: $(PYTHON)." \
	    "Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1

# $(call install,EXTRAS): errors are shown, and the sentence after them says what to look at.
install = $(BIN)/python -m pip install --quiet --editable '.[$(1)]' || { \
	echo "Umbel could not be installed into $(VENV); is the package index reachable?" >&2; exit 1; }

# One stamp per set of dependencies, so that the demo installs no more than it runs.
$(VENV)/.demo-stamp: pyproject.toml | $(BIN)/python
	@echo "Installing Umbel into $(VENV) (once, about a minute) …"
	@$(call install,demo)
	@touch $@

$(VENV)/.dev-stamp: pyproject.toml | $(BIN)/python
	@echo "Installing Umbel and its test tools into $(VENV) (once, about a minute) …"
	@$(call install,dev)
	@touch $@ $(VENV)/.demo-stamp

$(VENV)/.bench-stamp: pyproject.toml | $(BIN)/python
	@echo "Installing Umbel, its test tools and Flower into $(VENV) (once) …"
	@$(call install,bench)
	@touch $@ $(VENV)/.dev-stamp $(VENV)/.demo-stamp

.PHONY: demo
demo: $(VENV)/.demo-stamp ## Start a whole demo cluster with live traffic and the console on top
	@$(BIN)/umbel demo

.PHONY: test
test: $(VENV)/.dev-stamp ## Run every test (starts its own servers and workers)
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup $(ARGS)

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

.PHONY: docs
docs: $(VENV)/.dev-stamp ## Write the pages in docs/ that are made from the code
	$(BIN)/python -m umbel_console.actions_page docs/actions.md

.PHONY: screenshots
screenshots: $(VENV)/.dev-stamp ## Draw the pictures in screenshots/ from the demo, in two minutes
	$(BIN)/python -m screenshots.make

.PHONY: clean
clean: ## Remove what the commands above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .demo dist
