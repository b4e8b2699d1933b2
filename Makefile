# The two commands that matter: `make demo` and `make test`. Everything happens in .venv; nothing else is touched.

VENV ?= .venv
# Leave the demo running: make demo KEEP=1
KEEP ?=
# Handed to pytest as it is: make test PYTEST_ARGS="tests/scheme -x"
PYTEST_ARGS ?=
# The whole run goes to several processes, file by file, since much of it is waiting; a part of it begins sooner in one.
PYTEST_WORKERS ?= $(if $(strip $(PYTEST_ARGS)),0,3)
# Some properties alone, other options: make faults FAULTS="P1 P3", make faults FAULTS="--workers 1 --keep logs"
FAULTS ?=
# Handed to either bench as it is: make bench BENCH_ARGS="--rounds 1", make bench-operator BENCH_ARGS="--sizes 100"
BENCH_ARGS ?=
# Handed to the run on a real node: make e2e E2E_ARGS="--keep logs --report table.md"
E2E_ARGS ?=
# Leave empty to search; or: make test PYTHON=/path/to/python3.12
PYTHON ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCK := .ci/requirements.lock
RUNTIME_LOCK := .ci/runtime.lock
COMPILE_LOCK := .ci/compile.lock
UV := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help demo test test-compiled e2e bench bench-operator faults chart lint format lock clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## See it work on this machine, no cluster needed (KEEP=1 leaves it running)
	@KEEP='$(KEEP)' $(BIN)/python examples/demo.py

test: $(VENV)/.dev ## Run every test but the slow suites (PYTEST_ARGS=...)
	@$(BIN)/python -m pytest -m "not slow" \
		-n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-compiled: $(VENV)/.dev ## Run the receiver's tests on a copy that is compiled as in the image; needs a C compiler
	@.ci/compiled $(BIN)/python $(PYTEST_ARGS)

e2e: $(VENV)/.dev ## Install it on a real node, call it through a real ingress and harm it; needs root (E2E_ARGS=...)
	@$(BIN)/python -m tests.node $(E2E_ARGS)

faults: $(VENV)/.dev ## Do the operator every harm there is a test for and print one table (FAULTS="P1 P3")
	@$(BIN)/python -m tests.faults $(FAULTS)

bench: $(VENV)/.dev ## Measure the receiver beside Go, nginx and webhook, in ten minutes (BENCH_ARGS=...)
	@$(BIN)/python -m tests.bench.receiver $(BENCH_ARGS)

lint: $(VENV)/.dev ## Check style and types, and that the chart's copies are up to date
	@$(BIN)/ruff check --output-format=concise .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python .ci/chart.py --check

format: $(VENV)/.dev ## Rewrite the code in the house's style
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

chart: $(VENV)/.dev ## Bring the chart's copies of the definition, the roles and the schema up to date
	@$(BIN)/python .ci/chart.py

bench-operator: $(VENV)/.dev ## Measure the operator with up to 10,000 endpoints (BENCH_ARGS=...)
	@$(BIN)/python -m tests.bench.operator $(BENCH_ARGS)

lock: $(BIN)/python ## Renew the pinned dependencies
	@$(PIP) install --quiet uv
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) --upgrade --extra dev --output-file $(LOCK) pyproject.toml
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) --upgrade --extra all --constraint $(LOCK) \
		--output-file $(RUNTIME_LOCK) pyproject.toml
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) --upgrade --group compile --constraint $(LOCK) \
		--output-file $(COMPILE_LOCK)

clean: ## Remove everything that make and the tools made
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find $(wildcard operator tests examples) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@PYTHON='$(PYTHON)' sh .ci/venv.sh $(VENV)

# The stamps make a second run instant, and an edit of the metadata or of a lock runs the set-up again.
$(VENV)/.demo: pyproject.toml $(RUNTIME_LOCK) | $(BIN)/python
	@echo "Installing Hookgate into $(VENV) ..."
	@$(PIP) install --quiet --require-hashes --requirement $(RUNTIME_LOCK)
	@$(PIP) install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(LOCK) | $(BIN)/python
	@echo "Installing Hookgate and its development tools into $(VENV) ..."
	@$(PIP) install --quiet --require-hashes --requirement $(LOCK)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
