# The two commands: `make demo` runs a real project, `make test` sets everything up and passes all tests.
# Every other target is a part of them, or what CI runs beside them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_PORT ?= 8000
TEST_WORKERS ?= 2
TEST_ARGS ?=
TYPING_TESTS ?= tests/_typing
COVET_CONFORMANCE ?= check

.DEFAULT_GOAL := help
.PHONY: help demo setup rust services test conformance check lint format types arch docs docs-serve compiled build wheel rust-wheels bench soak changelog clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## run examples/blog on SQLite with data loaded (DEMO_PORT=8000)
	@PATH="$(CURDIR)/$(BIN):$$PATH" DEMO_PORT=$(DEMO_PORT) scripts/demo

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Covet needs Python 3.11 or newer; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --compile --upgrade "pip>=25.1"

$(VENV)/.demo: pyproject.toml hatch_build.py | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e ".[standard]" "Faker>=33"
	@touch $@

$(VENV)/.dev: pyproject.toml hatch_build.py | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e ".[all]" --group dev
	@touch $(VENV)/.demo $@

setup: $(VENV)/.dev rust ## the virtual environment with everything, and the Rust half where cargo is at hand

# Before all else that is installed, so that `make -j2 setup rust-wheels` compiles Rust beside it.
$(VENV)/bin/maturin: | $(VENV)/bin/python
	$(BIN)/python -m pip install -q "maturin>=1.9,<2"

$(VENV)/.dev: | $(VENV)/bin/maturin

# Without the stable ABI, as the wheels for one Python are: see covet_rust/Cargo.toml.
rust: $(VENV)/bin/maturin ## build covet_rust into the virtual environment
	@if command -v cargo >/dev/null 2>&1; then \
	  if [ -z "$$(find $(VENV) -path '*covet_rust*' -name '*.so' -newer covet_rust/Cargo.toml 2>/dev/null)" ] || \
	     [ -n "$$(find covet_rust/src Cargo.toml -newer $(VENV)/.rust 2>/dev/null || echo first)" ]; then \
	    VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/maturin develop -q --release --no-default-features -m covet_rust/Cargo.toml && touch $(VENV)/.rust; \
	  fi; \
	elif [ -n "$$CI" ]; then echo "cargo is missing: in CI the Rust half must be built and tested." >&2; exit 1; \
	else echo "cargo is missing: the Rust half (covet_rust) is left out; its plain twin is tested." >&2; fi

services: ## start PostgreSQL (and one with pgvector), PgBouncer, MariaDB, Redis and Memcached on loopback
	@scripts/services start

test: setup services ## all tests, with coverage
	@eval "$$(scripts/services env)" && rm -f .coverage.* && \
	COVET_CONFORMANCE=$(COVET_CONFORMANCE) TMPDIR=$${COVET_TEST_TMPDIR:-$${TMPDIR:-/tmp}} \
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --cov --cov-report= --cov-fail-under=0 $(TEST_ARGS) && \
	$(BIN)/coverage report

conformance: setup services ## write docs/reference/conformance.md anew, by the tests that show a row of it
	@eval "$$(scripts/services env)" && COVET_CONFORMANCE=write \
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile -m row

check: lint types arch ## what needs no services: lint, types, layers

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@if command -v cargo >/dev/null 2>&1; then cargo fmt --all --check && cargo clippy -q --all-targets -- -D warnings; fi

format: $(VENV)/.dev ## format and mend what can be mended
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .
	@if command -v cargo >/dev/null 2>&1; then cargo fmt --all; fi

types: $(VENV)/.dev
	$(BIN)/mypy
	$(if $(TYPING_TESTS),$(BIN)/python -m pytest -q $(TYPING_TESTS))

arch: $(VENV)/.dev
	$(BIN)/lint-imports

docs: $(VENV)/.dev ## build the documentation, strictly
	$(BIN)/mkdocs build -q --strict

docs-serve: $(VENV)/.dev ## the documentation at http://127.0.0.1:8001
	$(BIN)/mkdocs serve -a 127.0.0.1:8001

# pytest rewrites what a test module asserts, which takes longer than all else of a collection: once for all workers, and not
# under coverage. Processes that may write no bytecode find that of covet/ as well.
compiled: $(VENV)/.dev ## the bytecode of what is installed, of covet/ and of the tests, which collects them
	@$(BIN)/python -m compileall -qq $(VENV)/lib || true  # as with pip: some packages bring files that are no Python
	@$(BIN)/python -m compileall -q covet
	@mkdir -p build && env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --collect-only -qq -n 0 >build/collected || \
	{ cat build/collected; exit 1; }

build: wheel rust-wheels ## the wheels (covet; covet_rust for any Python and for this one) and the source archive, into dist/

wheel: $(VENV)/.dev
	$(BIN)/python -m build -q --outdir dist .

# After `rust`, since cargo does one thing at a time in its folder. They need nothing else that is installed.
rust-wheels: rust
	@if command -v cargo >/dev/null 2>&1; then \
	  $(BIN)/maturin build -q --release -m covet_rust/Cargo.toml --out dist && \
	  $(BIN)/maturin build -q --release --no-default-features -i $(BIN)/python -m covet_rust/Cargo.toml --out dist; \
	fi

bench: setup services ## the benchmarks' tables (python -m benchmarks --help)
	@eval "$$(scripts/services env)" && $(BIN)/python -m benchmarks

soak: setup services ## the long runs
	@eval "$$(scripts/services env)" && $(BIN)/python -m pytest -n 0 -m soak $(TEST_ARGS)

changelog: $(VENV)/.dev ## what the next release's notes would say
	$(BIN)/towncrier build --draft --version next

clean: ## remove what was built; stop the services and drop their data
	-@scripts/services stop
	rm -rf .services build dist site target .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* htmlcov
