PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: run test test-clients test-postgres lint fuzz format bench bench-migrations bench-searches drill schema settings common-passwords lock clean bench-overload

run: $(INSTALLED)
	@$(BIN)/gatehouse serve

test: $(INSTALLED)
	@$(BIN)/pytest $(TESTS)

# The tests of deploys on other servers than the embedded one; see tests/postgres_servers.py.
test-postgres: $(INSTALLED)
	@for version in 14 15.18 15.20 16 17; do \
		echo "PostgreSQL $$version" && POSTGRES_VERSION=$$version $(BIN)/pytest --all tests/deploy || exit 1; \
	done

# GraphQL clients and code generators against a running server. Installs some 300 packages of npm.
test-clients: $(INSTALLED)
	@CI=true $(BIN)/pytest --numprocesses=0 tests/clients/run_clients.py

lint: $(INSTALLED)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/basedpyright

# Compares plans with graphql-core on 100,000 new documents, and measures memory over a million requests.
fuzz: $(INSTALLED)
	@FUZZ=100000 $(BIN)/pytest --all --numprocesses=0 -s tests/execution/test_plan_fuzz.py tests/execution/test_plan_memory.py

format: $(INSTALLED)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.overload

# Draws docs/overload.svg. Part of `make bench`.
bench-overload: $(INSTALLED)
	@$(BIN)/python -m benchmarks.overload

bench-migrations: $(INSTALLED)
	@$(BIN)/python -m benchmarks.migrations
	@$(BIN)/python -m benchmarks.backfills
	@$(BIN)/python -m benchmarks.contracts

bench-searches: $(INSTALLED)
	@$(BIN)/python -m benchmarks.searches

# Faults in the surroundings of a server: make drill NAME=locked-table. Without a name it lists the drills.
drill: $(INSTALLED)
	@$(BIN)/python -m benchmarks.drills $(NAME)

schema: $(INSTALLED)
	@$(BIN)/python -m api.schema.schema > schema.graphql

# docs/settings.md and .env.example.
settings: $(INSTALLED)
	@$(BIN)/python -m api.settings_reference

# Only this target needs zxcvbn, so it is not locked.
common-passwords: $(INSTALLED)
	@$(BIN)/pip install --quiet --no-deps --target build/zxcvbn zxcvbn==4.5.0
	@PYTHONPATH=build/zxcvbn $(BIN)/python -m benchmarks.common_passwords
	@rm -rf build/zxcvbn

# uv resolves for all platforms and Pythons at once. Only this target needs it, so it is not locked.
# Extras are pinned too: where only `name` is pinned, pip of Python 3.11 installs the newest `name[extra]`.
COMPILE = .venv-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-strip-extras --quiet

# requirements-server.lock is for hosts: without the packages of developers and the embedded PostgreSQL.
lock:
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	@$(COMPILE) --all-extras --upgrade --output-file requirements.lock
	@$(COMPILE) --extra build --upgrade --constraints requirements.lock --output-file requirements-server.lock
	@rm -rf .venv-lock

clean:
	rm -rf .venv .gatehouse build *.egg-info

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Gatehouse needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing Gatehouse and its libraries into .venv, about a minute …"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
