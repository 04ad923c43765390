# Everything a newcomer types. All of it stays inside this folder, but for `servers`, which installs system packages.

.DEFAULT_GOAL := help
.PHONY: help setup demo servers generators test check bench clean

ARGS ?=
BIN := .venv/bin
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The oldest supported Python first: the pinned versions are tried with it most.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	command -v $$name >/dev/null 2>&1 && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	&& echo $$name && break; done)

INPUTS := pyproject.toml constraints.txt
DEMO_STAMP := .venv/.installed-demo
DEV_STAMP := .venv/.installed-dev

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(DEV_STAMP) ## Install into .venv what developing needs

demo: $(DEMO_STAMP) ## Run all of Wallport beside a simulated wallbox; options in ARGS, stop with Ctrl-C
	@exec $(BIN)/wallport-demo $(ARGS)

servers: ## Install the real servers that the tests start, where they are missing (apt)
	@deploy/install-test-servers.sh

generators: setup ## Install the client generators that the tests try, into .venv (about a minute, once)
	@$(BIN)/python -m tests.kit.generators

# More at once than there are cores, since most tests wait; a file's tests share its servers, so they stay together.
test: servers setup generators ## Run every test; pytest's options in ARGS
	$(BIN)/python -m pytest -n 4 --dist loadfile $(ARGS)

check: setup ## Lint, formatting, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## Measure the main job and the way through the relay, beside OpenSSH's tunnel, and charts
	@deploy/install-test-servers.sh sshd:openssh-server
	$(BIN)/python -m bench.main_job
	$(BIN)/python -m bench.relay
	$(BIN)/python -m bench.records --years 0.3

clean: ## Remove everything that these targets made
	rm -rf .venv .demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEV_STAMP): $(INPUTS) | .venv/bin/python
	@echo "Installing Wallport and its development tools into .venv (about a minute) …"
	$(BIN)/pip install --progress-bar on -c constraints.txt -e '.[dev,demo]'
	@touch $(DEMO_STAMP) $@

# What `setup` installs includes what the demo needs, so after it there is nothing to do here.
$(DEMO_STAMP): $(INPUTS) | .venv/bin/python
	@echo "Installing Wallport into .venv (about half a minute) …"
	$(BIN)/pip install --progress-bar on -c constraints.txt -e '.[demo]'
	@touch $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Wallport needs Python 3.11 or newer, and none was found. Install it (on Debian:" \
		"apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python cannot make a virtual environment here." \
		"On Debian and Ubuntu as root: apt install python3-venv" >&2; exit 1; }
