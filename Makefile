# Everything runs in .venv, which the first call makes. PYTHON=/path/to/python chooses its Python (3.11 to 3.14).
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
PY := $(VENV)/bin/python
# Its stamps say what is installed: a call with nothing new to install starts at once.
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
EDITABLE := $(PIP) --no-deps --no-build-isolation --editable .
# Flags for the program that is run: make run ARGS="--seed 7"
ARGS ?=
# Test processes side by side.
JOBS ?= 2
# Of the faults that are put into the order book each so manieth.
EVERY ?= 1

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: $(DEV) ## Install everything: to run, to test, to check

.PHONY: run
run: $(RUN) ## Run the whole market on this machine (make run ARGS="--seed 7")
	@$(PY) -m marksim.main $(ARGS)

.PHONY: dashboard
dashboard: $(RUN) ## Run the dashboard on http://localhost:8050, before or after the market
	@$(PY) -m marksim.dash_consumer $(ARGS)

.PHONY: test
test: $(DEV) ## Run the tests, in about six minutes (make test ARGS="-k book")
	@echo "make: compiling what is compiled (once; about a minute)"
	@$(PY) -m marksim kernels >/dev/null
	$(PY) -m pytest -n $(JOBS) --dist loadfile -m "not system and not cluster and not faults" $(ARGS)

.PHONY: fuzz
fuzz: $(DEV) ## Run ten million random commands against both order books (make fuzz ARGS="--commands 1000000 --seed 7")
	$(PY) -m tests.core.book.fuzz --jobs $(JOBS) $(ARGS)

.PHONY: test-bounds
test-bounds: $(DEV) ## Run the tests of order book, feed and populations with every array index checked
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=build/numba-bounds \
		$(PY) -m pytest --timeout 300 -m "not faults" tests/core/book tests/core/feed tests/core/populations $(ARGS)

# But for one test, of a hundred thousand orders; the streams are shorter than those of compiled books.
.PHONY: test-interpreted
test-interpreted: $(DEV) ## Run the tests of order book, feed and populations with compilation off
	NUMBA_DISABLE_JIT=1 $(PY) -m pytest -n $(JOBS) --timeout 300 -m "not faults" -k "not great_sweep" \
		tests/core/book tests/core/feed tests/core/populations $(ARGS)

.PHONY: test-faults
test-faults: $(DEV) ## Put faults into the order book, one at a time, and see that its tests find each (EVERY=4: a quarter)
	FAULTS_EVERY=$(EVERY) $(PY) -m pytest -n $(JOBS) -m faults --timeout 300 tests/core/book/test_faults.py $(ARGS)

.PHONY: faults
faults: $(DEV) ## Kill each service five times under load, on two scenarios, and prove that nothing shows (ARGS="--seed 2")
	$(PY) -m tests.faults --target kills --scenario default,coroutines --kills 5 --fresh $(ARGS)

.PHONY: faults-long
faults-long: $(DEV) ## All faults a hundred times, on two scenarios, for an hour; the same again goes on
	$(PY) -m tests.faults --target all --scenario default,coroutines --kills 100 --slice 1h $(ARGS) || [ $$? -eq 3 ]

.PHONY: soak
soak: $(DEV) ## Half an hour at 20x with consumers that come and go: flat or not (ARGS="--minutes 2 --highest")
	$(PY) -m tests.faults.soak $(ARGS)

.PHONY: e2e
e2e: $(DEV) ## Run the system tests: the whole market, real browsers (chromium), other languages
	$(PY) -m pytest -m system --timeout 300 $(ARGS)

.PHONY: lint
lint: $(DEV) ## Check style and format (ruff)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

.PHONY: format
format: $(DEV) ## Format, and fix what can be fixed safely
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: types
types: $(DEV) ## Check types (mypy, strict)
	$(PY) -m mypy

.PHONY: imports
imports: $(DEV) ## Check who imports whom (import-linter)
	$(VENV)/bin/python -c "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

.PHONY: proto
proto: $(DEV) ## Make the stubs in services/marksim/v1 from proto/
	$(PY) tools/generate_stubs.py

.PHONY: proto-check
proto-check: $(DEV) ## Check the contract: buf lint, no breaking change, stubs fresh
	$(VENV)/bin/buf lint
	tools/buf_breaking.sh
	$(PY) tools/generate_stubs.py --check

.PHONY: bench
bench: $(DEV) ## Measure book, journal, engine and edge, about three minutes (ARGS="--only churn", ARGS=--write)
	@$(PY) -m bench $(ARGS)

.PHONY: market-check
market-check: $(DEV) ## Hold the default market against its bounds: seeds 1-20, 24 h each; resumable
	@mkdir -p build
	$(PY) bench/market_check.py --seeds 1-20 --hours 24 --out build/market-check.jsonl $(ARGS)

.PHONY: market-check-short
market-check-short: $(DEV) ## The same bounds for two seeds and 2 h
	$(PY) bench/market_check.py --seeds 1-2 --hours 2 $(ARGS)

IMAGE ?= marksim:dev
BASE ?=
# Further flags of docker build or buildah build.
IMAGE_FLAGS ?=
.PHONY: image
image: $(VENV)/.made ## Build the image (make image IMAGE=marksim:dev BASE=python:3.12-slim-bookworm)
	@$(PY) tools/build_image.py $(IMAGE) $(if $(BASE),--base $(BASE)) $(IMAGE_FLAGS)

.PHONY: cluster-test
cluster-test: $(DEV) ## Prove image and chart on the cluster of KUBECONFIG (ARGS="--image ... --new-image ...")
	$(PY) -m tests.cluster $(ARGS)

.PHONY: dashboards
dashboards: $(DEV) ## Write the Grafana dashboards in deploy/grafana and in the chart from tools/dashboards
	$(PY) -m tools.dashboards

.PHONY: order-docs
order-docs: $(DEV) ## Write the tables of docs/orders.md from the order book's own (ARGS=--check only checks)
	$(PY) tools/order_docs.py $(ARGS)

.PHONY: golden
golden: $(DEV) ## Renew, on purpose, the golden tapes of the ready scenarios (ARGS=--check only checks)
	$(PY) tools/golden_tapes.py $(ARGS)

.PHONY: scenario-schema
scenario-schema: $(DEV) ## Write docs/scenario.schema.json, by which editors check scenarios, from what a scenario may be
	$(PY) -m marksim.scenario schema > docs/scenario.schema.json

.PHONY: dashboards-check
dashboards-check: $(DEV) ## Check that the dashboards are what tools/dashboards says
	$(PY) -m tools.dashboards --check

.PHONY: alerts-test
alerts-test: $(DEV) ## Check alerts, scrape configuration and pages of metrics with promtool, and run the tests of the alerts
	@command -v promtool >/dev/null || { echo "make: promtool is missing; Debian's package prometheus has it" >&2; exit 1; }
	$(PY) -m pytest -m cluster tests/deploy/test_promtool.py $(ARGS)

.PHONY: chart-docs
chart-docs: $(DEV) ## Make the tables of the chart's README from its values.yaml (ARGS=--check only checks)
	$(PY) tools/chart_readme.py $(ARGS)

.PHONY: chart-test
chart-test: $(DEV) build/kube-schemas ## Render and check the Helm chart; needs helm, kubeconform and go
	$(PY) -m pytest -n $(JOBS) --dist loadfile -m cluster tests/deploy $(ARGS)

build/kube-schemas: tools/kube_schemas.py | $(DEV)
	$(PY) tools/kube_schemas.py $@.new
	rm -rf $@
	mv $@.new $@

.PHONY: lock
lock: $(DEV) ## Make the lock files from pyproject.toml (ARGS=--upgrade for newer versions)
	$(PY) tools/lock.py $(ARGS)

.PHONY: lock-check
lock-check: $(DEV) ## Check, offline, that the lock files belong to pyproject.toml
	$(PY) tools/lock.py --check

.PHONY: clean
clean: ## Remove .venv, caches and build results; recorded data in data/ stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find services tests bench tools examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made: tools/make_venv.sh
	@tools/make_venv.sh $(VENV)
	@touch $@

$(RUN): $(VENV)/.made requirements.lock requirements-build.lock pyproject.toml
	@echo "make: installing what marksim runs on (once; about a minute)"
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --require-hashes --requirement requirements-build.lock
	@$(EDITABLE)
	@touch $@

$(DEV): $(RUN) requirements-dev.lock
	@echo "make: installing what the tests and checks need (once)"
	@$(PIP) --require-hashes --requirement requirements-dev.lock
	@touch $@
