# Needs only make and Python 3.11 or newer. Everything made here lies in .venv/ and .demo/.
#
#   make demo                          the whole story on examples/contract-clauses/
#   make demo DATA=PATH LICENSE=SPDX   the same story on your own folder (left untouched)
#   make serve                         the registry again, on the demo's data
#   make test | test-long | lint | bench | clean
#   make test-long KILLS=1000          what takes long; so many kills for each database (tests/durability)
#   make fuzz SECONDS=900              every parser for 15 minutes each (Linux on x86-64)
#
# TORCH_INDEX: a package index to take torch from, such as one with CPU-only builds (README, "Sizes").
# All paths below are relative, so a checkout below a folder with spaces in its name works.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
TORCH_INDEX ?=
TORCH := torch==2.13.0
WORKERS ?= 2
SECONDS ?= 10
KILLS ?= 1000
DATA :=
LICENSE :=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
export DATA LICENSE

.PHONY: help demo serve test test-long lint bench fuzz clean install

help:
	@sed -n '/^# *make /s/^# *//p' Makefile

$(VENV)/.made:
	@[ -n "$(PYTHON)" ] || { echo "datasigil needs Python 3.11 or newer; none was found. Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "Creating $(VENV) with $$("$(PYTHON)" --version)."
	@"$(PYTHON)" -m venv "$(VENV)" || { echo "Could not create $(VENV). On Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf "$(VENV)"; exit 2; }
	@touch "$@"

# torch first and by itself: with it in place nothing below asks for another build of it.
$(VENV)/.torch: $(VENV)/.made
	@$(BIN)/python -c 'import sys, importlib.metadata as m; sys.exit(m.version("torch").split("+")[0] != "$(TORCH)".split("==")[1])' 2>/dev/null \
	  || { echo "Installing $(TORCH): the one large package (README, \"Sizes\", says how large and how to get the CPU build)."; \
	       $(PIP) install $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") "$(TORCH)"; }
	@touch "$@"

$(VENV)/.demo: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "Installing what the demo needs (pinned in constraints.txt)."
	@$(PIP) install -c constraints.txt -e ".[service,train]"
	@touch "$@"

$(VENV)/.dev: $(VENV)/.demo pyproject.toml constraints.txt
	@echo "Installing what tests and lint need (pinned in constraints.txt)."
	@$(PIP) install -c constraints.txt -e ".[service,train,dev]"
	@touch "$@"

install: $(VENV)/.dev

demo: $(VENV)/.demo
	@$(BIN)/python examples/demo/story.py

serve: $(VENV)/.demo
	@$(BIN)/python examples/demo/serve.py

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not long and not slow and not needs_postgres and not needs_chromium"

test-long: $(VENV)/.dev
	@DATASIGIL_TEST_KILLS=$(KILLS) $(BIN)/python -m pytest -q -m "long" -s

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fuzz: $(VENV)/.dev
	@$(BIN)/python tests/fuzz/all.py --seconds $(SECONDS) --corpus .fuzz-corpus

bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/run_all.py

clean:
	@rm -rf .demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis .coverage htmlcov
	@find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
	@echo "Removed the demo's data, build outputs and caches. $(VENV) stays (rm -r $(VENV) removes it)."
