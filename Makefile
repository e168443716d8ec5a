# Each target is one command, and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint bench fuzz lock venv clean

run: venv ## demonstrate Lockstep on a real API server, until Ctrl-C
	@$(BIN)/lockstep local up

test: lint ## lint, types, layers, all tests, in two processes; WORKERS=4 for more
	$(BIN)/python -m tests.worlds.programs
	$(BIN)/pytest --numprocesses $(or $(WORKERS),2) --dist loadfile -m "not alone"
	$(BIN)/pytest -m alone

lint: venv ## ruff, types, layers, and this repository's own rules (lint/)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m lint

bench: venv ## measure the budgets, each beside its floor in the same run; SHAPE=storm (or another) for one alone
	$(BIN)/python -m benchmarks $(SHAPE)

fuzz: venv ## fuzz each target, coverage-guided; SECONDS=600 for each, TARGET=walk for one alone
	$(BIN)/pip install --quiet --require-hashes -r requirements-fuzz.txt
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),60) $(TARGET)

venv: $(VENV)/.installed

$(VENV)/.installed: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lockstep needs Python 3.11 or newer (set PYTHON=...)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV) ..."
	@$(BIN)/pip install --quiet --require-hashes -r requirements-dev.txt
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock: ## pin the newest releases with hashes
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --group dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --group pyproject.toml:build -o requirements-build.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --group pyproject.toml:fuzz -o requirements-fuzz.txt

clean:
	rm -rf $(VENV) build *.egg-info
