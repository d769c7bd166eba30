# Some images forbid compiled modules: each of the many processes would compile all of them again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
TEMPLATES = $(shell find templates -name '*.html' 2>/dev/null | head -n 1)

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-all test-faults test-cuts lint bench bench-load

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install everything into .venv and static/vendor (skipped when nothing changed)
	@$(PYTHON) scripts/setup.py

demo: setup ## Run the panel with simulated media servers and sample users (PORT=8000)
	@$(BIN)/flask demo --port $(PORT)

run: setup ## Run the panel: Redis, database upgrade, worker and web (PORT=8000)
	@$(BIN)/flask up --port $(PORT)

test: setup ## Run the tests (browser tests need Chromium)
	$(BIN)/python -m pytest

test-all: setup ## Run the thorough repetitions as well
	$(BIN)/python -m pytest -m 'not faults and not cuts'

test-faults: setup ## Run migrations under every fault (about 15 minutes)
	$(BIN)/python -m pytest tests/faults -m 'not cuts' -n 4 --dist load --maxschedchunk 1 -p no:cacheprovider

test-cuts: setup ## Kill all processes at once 200 times, and what else takes long under faults (about 20 minutes)
	$(BIN)/python -m pytest tests/faults -m cuts -n 2 --dist load --maxschedchunk 1 -p no:cacheprovider

lint: setup ## Check style, types and templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy panel worker.py wsgi.py
	$(if $(TEMPLATES),$(BIN)/djlint templates --lint)

bench: setup ## Measure speed with simulated servers
	$(BIN)/python scripts/bench.py
	$(BIN)/python scripts/bench_panel.py

bench-load: setup ## Measure the panel while 50 admins watch a run (about 13 minutes)
	$(BIN)/python scripts/bench_load.py
