# `make help` lists the targets. Every target sets the environment up first, which takes a blink
# when nothing changed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# An environment of this checkout only, whatever the caller has activated.
PYTHON3 ?= python3
BIN := .venv/bin
CODE := servicekit auth_service job_service scheduler_service gateway local bench deploy tests
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet

##@ Use

.PHONY: run
run: setup ## Start everything here; Ctrl-C stops it. ARGS="--verbose --data DIR"
	@exec $(BIN)/python -m local $(ARGS)

.PHONY: replay
replay: setup ## Replay a cluster trace over REST. TRACE=path JOBS=n [DATABASE=postgres KILL=1]
	@$(if $(TRACE),,echo 'make replay needs TRACE=path/to/trace.csv' >&2; exit 2)
	@exec $(BIN)/python -m bench.replay --trace "$(TRACE)" $(if $(JOBS),--jobs $(JOBS)) \
		$(if $(SPEED),--speed $(SPEED)) $(if $(DATABASE),--database $(DATABASE)) \
		$(if $(filter-out 0,$(KILL)),--kill) $(ARGS)

.PHONY: simulate
simulate: setup ## Simulate policies on a trace. ARGS="--trace FILE --nodes 72x8 --policy fifo"
	@exec $(BIN)/python -m scheduler_service.simulate --picture var/simulation.svg $(ARGS)

.PHONY: bench-submit
bench-submit: setup ## Measure submits per second against a bare echo server. ARGS=...
	@exec $(BIN)/python -m bench.submit $(ARGS)

.PHONY: bench-end-to-end
bench-end-to-end: setup ## Measure jobs per second from submit to completion. ARGS=...
	@exec $(BIN)/python -m bench.end_to_end $(ARGS)

.PHONY: bench-lists
bench-lists: setup ## Measure pages and counts among many jobs. ROWS=1000000
	@exec $(BIN)/python -m bench.lists $(if $(ROWS),--rows $(ROWS)) $(ARGS)

.PHONY: gates
gates: setup ## Hold the engine against published results. DATA=path [ARGS="--only queueing"]
	@$(if $(DATA),,echo 'make gates needs DATA=path/to/the/data' >&2; exit 2)
	@exec $(BIN)/python -m bench.gates --data "$(DATA)" $(ARGS)

.PHONY: bench-engine
bench-engine: setup ## Measure the engine's decisions per second. [DATA=path ARGS=...]
	@exec $(BIN)/python -m bench.engine $(if $(DATA),--data "$(DATA)") $(ARGS)

.PHONY: bench-auth
bench-auth: setup ## Measure verifying tokens, and other calls while 64 clients log in. ARGS=...
	@exec $(BIN)/python -m bench.auth $(ARGS)

.PHONY: bench-guessing
bench-guessing: setup ## Measure whether a failed login's time tells that a user exists. ARGS=...
	@exec $(BIN)/python -m bench.guessing $(ARGS)

.PHONY: secrets
secrets: ## Make deploy/secrets/ for docker compose; keeps what exists
	@sh deploy/make-secrets.sh

.PHONY: dev-certs
dev-certs: setup ## Make certificates for TLS between the processes. ARGS="FOLDER --host NAME"
	@$(BIN)/python -m local.dev_certs $(ARGS)

# The database is that of the settings in the environment, else the one that `make run` keeps.
.PHONY: import-users
import-users: setup ## Import users with their password hashes. FILE=users.csv [ARGS=--skip-existing]
	@$(if $(FILE),,echo 'make import-users needs FILE=users.csv' >&2; exit 2)
	@GPUAAS_AUTH_DATABASE_URL=$${GPUAAS_AUTH_DATABASE_URL:-sqlite:///var/auth.db} \
		$(BIN)/python -m auth_service import-users "$(FILE)" $(ARGS)

##@ Check

.PHONY: test
test: setup ## Run all tests; they start their own PostgreSQL. ARGS="-k name -x"
	@$(BIN)/pytest $(ARGS)

.PHONY: histories
histories: setup ## Live 10,000 random histories of the scheduling engine. HISTORIES=n
	@$(BIN)/pytest tests/simulation/scheduler_service --histories $(or $(HISTORIES),10000) \
		--timeout 0 $(ARGS)

.PHONY: check
check: format-check lint types test ## Everything that CI runs; import rules, protos and links are tests

.PHONY: format-check
format-check: setup
	@$(BIN)/ruff format --check .

.PHONY: lint
lint: setup ## Lint the code
	@$(BIN)/ruff check .

.PHONY: types
types: setup ## Check the types, strictly
	@$(BIN)/mypy $(wildcard $(CODE))

.PHONY: imports
imports: setup ## Check who imports whom
	@$(BIN)/pytest -q tests/contract/test_import_rules.py

.PHONY: contracts
contracts: setup ## Lint the protos
	@$(BIN)/pytest -q tests/contract/test_proto_lint.py

.PHONY: links
links: setup ## Look for dead links in the documents
	@$(BIN)/pytest -q tests/contract/test_links.py

.PHONY: job-histories
job-histories: setup ## Live random histories of jobs and quota. JOB_HISTORIES=10000 SEED=n
	@seed=$(or $(SEED),$$RANDOM); echo "SEED=$$seed"; \
		JOB_HISTORIES=$(or $(JOB_HISTORIES),10000) $(BIN)/pytest -q \
		tests/unit/job_service/test_histories.py --hypothesis-seed=$$seed --timeout 0

##@ Work

.PHONY: setup
setup: ## Make the environment: .venv from the lock, stubs from the protos
	@$(PYTHON3) local/setup.py

.PHONY: stubs
stubs: setup ## Generate the stubs anew
	@rm -f gen/.generated-from && $(BIN)/python -m local.stubs

.PHONY: format
format: setup ## Format the code and repair what lint can repair
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

.PHONY: lock
lock: setup ## Resolve the packages anew, within pyproject.toml. ARGS="--upgrade"
	@$(COMPILE) --extra dev $(ARGS) --output-file requirements-dev.lock
	@$(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock

.PHONY: env-example
env-example: setup ## Write .env.example and README's table of settings anew
	@$(BIN)/python -m local.env_example
	@$(BIN)/python -m local.settings_table

.PHONY: clean
clean: ## Remove everything generated; databases and secrets in var/ stay
	@rm -rf .venv gen .setup.lock .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
