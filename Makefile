# Guru: everything that a person or CI does, one word each. No root, no Node; Python >= 3.11.
#   make up      set everything up, start the server with the sample documents, print the address
#   make test    set up what the tests need and run them all
SHELL := bash
BIN := .venv/bin
PYTEST_ARGS ?=
TEST_WORKERS ?= 2
# Where it is set, every one of the many processes that tests start compiles all of its modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup up test check format bench clean lock
.DEFAULT_GOAL := help

help:  ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

.venv/.installed: pyproject.toml constraints.txt scripts/install.sh
	@scripts/install.sh
	@touch $@

.venv/.development: .venv/.installed
	@scripts/install.sh test check tools stores
	@touch $@

setup: .venv/.installed  ## Install Guru into .venv and fetch the default model
	@$(BIN)/guru models pull default

up: setup  ## Start the server with the sample documents ready to ask
	@$(BIN)/guru up --samples

test: .venv/.development  ## Run all tests
	@scripts/find_chromium.sh || true
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --durations 20 $(PYTEST_ARGS)

check: .venv/.development  ## Format, lint, types, boundaries, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/generate_docs.py --check
	$(BIN)/python scripts/check_web.py

format: .venv/.development  ## Format the code, sort imports, write generated docs
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python scripts/generate_docs.py

bench: .venv/.development  ## Measure; GURU_BENCH_DATA names the folder with the data sets
	$(BIN)/python benchmarks/footprint.py
	@if [ -z "$${GURU_BENCH_DATA:-}" ]; then \
		echo "Set GURU_BENCH_DATA to measure retrieval, ingest and answers too: see benchmarks/README.md."; \
	else \
		$(BIN)/python benchmarks/retrieval.py "$$GURU_BENCH_DATA" && \
		$(BIN)/python benchmarks/ingest.py "$$GURU_BENCH_DATA" && \
		$(BIN)/python benchmarks/answers.py --data "$$GURU_BENCH_DATA"; \
	fi

lock: .venv/.development  ## Write constraints.txt anew from pyproject.toml
	scripts/lock.sh

clean:  ## Remove the environment, caches and build output; the home stays
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
