# Everything a developer or CI runs. `make help` lists the targets.
#
#   make run ARGS="--port 5000"        other settings (see: make run ARGS=--help)
#   make test PYTEST_ARGS="-k tags"    some of the tests
#   make PYTHON=python3.12 test        another Python; `make clean` first

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
PYTEST_ARGS ?= -n auto
BENCH_ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --use-pep517 \
	--constraint constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test docs bench lint format clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## Serve on 127.0.0.1:4566 until Ctrl-C, with the data in ./data
	@exec $(BIN)/ecr-emulator serve $(ARGS)

test: lint ## Lint, then run all tests in parallel
	$(BIN)/python -m pytest $(PYTEST_ARGS)

docs: $(VENV)/.installed-test ## Write docs/operations.md and the README's table anew
	$(BIN)/python scripts/docs/operations

bench: $(VENV)/.installed-test ## Compare the speed with other servers (half an hour)
	$(BIN)/python scripts/bench $(BENCH_ARGS)

lint: $(VENV)/.installed-test ## Check style (ruff) and types (mypy, strict)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test ## Bring the code into the style that lint checks
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean: ## Remove the virtual environment, caches and builds; the data stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find ecr_emulator tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: pip runs again only when what it installs has changed.
$(VENV)/.installed: setup.cfg setup.py constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) --editable '.[test]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "No virtual environment could be made (Debian: apt-get install python3-venv)" >&2; \
		exit 1; }
