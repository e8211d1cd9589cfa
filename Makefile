# Endcap's commands: `make` or `make help` lists them. A fresh clone needs Python 3.11 or later, make and a package index.

PYTHON ?= python3
DEMO ?=
TEST ?=
SEED ?=
TABLE ?= all
WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
TORTURE := $(BIN)/python -m pytest -m torture tests/torture $(if $(SEED),--seed $(SEED))

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo test torture torture-quick check format client lock screenshots bench-quality bench-rankers bench-ablation simulation-checks

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## make .venv from requirements/dev.lock (hash-pinned); every other command does so by itself

demo: $(STAMP) ## make, train and serve a small shop; DEMO=--once ends instead of serving
	@$(BIN)/endcap demo $(DEMO)

test: $(STAMP) ## run the tests and the examples in docstrings; TEST=tests/test_docs.py runs some
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TEST)

torture: $(STAMP) ## kill the server 200 times under load, send it 10,000 hostile requests; SEED=7 repeats a seed
	@$(TORTURE) --cycles 200 --requests 10000

torture-quick: $(STAMP) ## a tenth of that, in at most five minutes
	@$(TORTURE) --cycles 20 --requests 1000

bench-quality: $(STAMP) ## print the quality tables of the public data sets; TABLE=diginetica prints one
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/quality/table.py $(TABLE) --out .bench/quality/tables.json

bench-rankers: $(STAMP) ## compare the rankers on every table
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/quality/rankers.py

bench-ablation: $(STAMP) ## leave every source and feature family out in turn
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/quality/ablation.py

simulation-checks: $(STAMP) ## what simulated shops prove of the product, in 100 seeds (an hour)
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python bench/simulation/checks.py

check: $(STAMP) ## lint, formatting, types and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## rewrite the code in the project's format and mend what the linter can
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

client: $(STAMP) ## write the typed client again from the OpenAPI document
	@$(BIN)/python deploy/client.py src/endcap/client

screenshots: $(STAMP) ## write the storefront's pages at two widths as PNG files to .screenshots (needs chromium)
	@$(BIN)/python deploy/screenshots.py .screenshots

lock: ## resolve pyproject.toml again into requirements/dev.lock (needs uv)
	@command -v uv >/dev/null || { echo "uv is missing; install it with: $(PYTHON) -m pip install uv"; exit 1; }
	uv pip compile --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev \
		pyproject.toml -o requirements/dev.lock

$(STAMP): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Endcap needs Python 3.11 or later, but $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another interpreter: make PYTHON=/path/to/python3.12 setup" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@echo "installing requirements/dev.lock (about 1.4 GB, some minutes the first time)"
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@echo "installing endcap itself, editable"
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
