# The index of verbs. `make demo` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
# More than the cores: many tests wait for processes, sockets and clocks.
WORKERS ?= 3
PACKAGES := core connectors sandbox store tasks flows api cli deployments

.PHONY: help demo test test-slow contract-quirks bench bench-leg-risk soak simulate crash-matrix reduction-kills reduction-twins chaos postgres lint types check docs lock up down clean
.DEFAULT_GOAL := help

help:            ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 12

demo: .venv/.run          ## one hedging session against the local venue twins, then stop everything
	@$(BIN)/hedge demo $(ARGS)

up: .venv/.run            ## twins, Prefect and the deployments in the foreground, until Ctrl-C
	@$(BIN)/hedge up

down: .venv/.run          ## stop what `make up` started
	@$(BIN)/hedge down

# Compiled files may be written: each process of the suite would compile all it imports again.
test: .venv/.dev          ## the whole suite
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n $(WORKERS) --no-loadscope-reorder

contract-quirks: .venv/.dev ## every contract card under every value of the twins' switches; writes docs/contract.md
	@mkdir -p var
	CONTRACT_QUIRKS=all $(BIN)/pytest tests/contract/test_quirk_values.py --junitxml=var/quirks.xml; \
	$(BIN)/python -m tests.contract.quirk_table "$$(date -u +%F)" var/quirks.xml > docs/contract.md

test-slow: .venv/.dev     ## the tests that wait for minutes of real time
	$(BIN)/pytest -m slow

lint: .venv/.dev          ## format, lint, types, import contracts, what may be in the repository, known weaknesses of packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pytest tests/architecture
	@$(BIN)/python -m tests.architecture.advisories

types: .venv/.dev         ## mypy alone
	$(BIN)/mypy

bench: .venv/.dev         ## orders signed, books read, API answers and live updates, beside ccxt and Prefect (minutes)
	$(BIN)/python -m benchmarks.signing && $(BIN)/python -m benchmarks.books && $(BIN)/python -m benchmarks.api && $(BIN)/python -m benchmarks.twins --minutes 10

bench-leg-risk: .venv/.dev ## how long legs stand alone under faults: sessions beside ccxt scripts on the twins (half an hour; ARGS="--pairs 4")
	$(BIN)/python -m benchmarks.leg_risk $(ARGS)

bench-results: .venv/.dev ## ten million executions in the results' views and in SQLite: PnL and slippage (minutes, 8 GB of disk)
	$(BIN)/python -m benchmarks.results $(ARGS)

soak: .venv/.dev          ## an hour of virtual time with every kind of trouble: no execution lost or doubled (ARGS="seed minutes")
	$(BIN)/python -m benchmarks.soak $(ARGS)

model: .venv/.dev         ## walk the pair state machine through everything venues and restarts may do, and print the count
	$(BIN)/python -m tests.simulation.pair_model

simulate: .venv/.dev       ## whole sessions on a virtual clock, SEEDS=1000 of them, against every law a session must keep
	$(BIN)/python -m tests.simulation.whole_sessions $(or $(SEEDS),1000)

crash-matrix: .venv/.dev   ## kill a session at each of its effects, and the making of results at each step, and run it again
	$(BIN)/python -m tests.simulation.crash_matrix && $(BIN)/python -m tests.simulation.results_kill_walk

chaos: .venv/.dev          ## kill and freeze every process of an installation while it trades (ARGS="seed minutes [postgres]")
	$(BIN)/python -m tests.chaos.campaign $(or $(ARGS),1 10)

reduction-kills: .venv/.dev ## take from one leg in every way, kill the run at each effect of what follows, and run it again
	$(BIN)/python -m tests.simulation.reduction_kills

reduction-twins: .venv/.dev ## take from one leg at each twin in every way, over real ports: who noticed, how soon the other followed (ARGS="--venues paradex")
	$(BIN)/python -m tests.reduction.campaign $(ARGS)

FRAMES ?= 1000000
fuzz: .venv/.dev          ## changed frames and answers against every connector: FRAMES=1000000, SEED= to repeat one
	@for venue in pacifica paradex backpack; do $(BIN)/python -m tests.fuzz.campaign $$venue $(FRAMES) $(SEED) || exit 1; done

audit: .venv/.dev         ## ask for known weaknesses of the locked packages; fails when nobody could be asked
	$(BIN)/python -m tests.architecture.advisories --required

check: lint test          ## what CI runs

docs: .venv/.dev          ## write the tables of docs/venues from what the connectors declare
	$(BIN)/python -m connectors.capabilities

lock: .venv/.uv           ## resolve the pins again (needs the package index)
	$(UV) pip compile pyproject.toml --extra dev --extra build -c constraints.txt --universal --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements-dev.lock
	$(UV) pip compile pyproject.toml --extra build -c requirements-dev.lock --universal --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements.lock
	$(UV) pip compile pyproject.toml --extra build --extra postgres -c requirements-dev.lock --universal --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements-postgres.lock

postgres: .venv/.run      ## add the driver for a store on Postgres (docs/runbook.md says how to use it)
	$(call fetch,requirements-postgres.lock)

clean:           ## remove the environment and the data folder
	rm -rf .venv var

.venv/.uv:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0]) if not (3, 11) <= sys.version_info[:2] < (3, 14) else None'
	$(PYTHON) -m venv .venv
	-@$(BIN)/pip install -q --disable-pip-version-check uv==0.13.8
	@touch $@

# uv when it could be had, pip otherwise: the same lock, the same hashes.
define fetch
	@if [ -x $(UV) ]; then $(UV) pip install -q --compile-bytecode --python $(BIN)/python --no-deps --require-hashes -r $(1); \
	else $(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r $(1); fi
endef
define install
	$(call fetch,$(1))
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q $(PACKAGES)
endef

.venv/.run: requirements.lock pyproject.toml | .venv/.uv
	$(call install,requirements.lock)
	@touch $@

.venv/.dev: requirements-dev.lock pyproject.toml | .venv/.uv
	$(call install,requirements-dev.lock)
	@touch $@ .venv/.run
