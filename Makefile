.DEFAULT_GOAL := help
.PHONY: help run test invoke lint build bench secrets deploy rollback doctor format lock clean

# Any Python from 3.11 on: make run PYTHON=python3.13
PYTHON ?= python3
VENV := .venv
SAM_VENV := .venv-sam
BENCH_VENV := .venv-bench
BIN := $(VENV)/bin
SAM := SAM_CLI_TELEMETRY=0 $(SAM_VENV)/bin/sam
LOCK := ../$(SAM_VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-strip-extras --no-header \
  --python-version 3.11
# What ministack asks for and DynamoDB and SSM never load.
LEFT_OUT := $(addprefix --no-emit-package ,botocore jmespath python-dateutil six urllib3 \
  jsonata-python graphql-core defusedxml)
NO_DJANGO := $(addprefix --no-emit-package ,django asgiref sqlparse tzdata)
# Makes the project importable in a virtual environment, for editors and scripts too.
SEARCH_PATH = printf '%s\n' '$(CURDIR)' '$(CURDIR)/functions' '$(CURDIR)/layers' > \
  "$$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/wechat_login.pth"
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

run: $(VENV)/.local ## Run the whole login on this machine; options: PARAMETERS="…" PORT= WECHAT_PORT=
	@PARAMETERS='$(PARAMETERS)' $(BIN)/python -m local

test: lint build tests/client/node_modules/.made ## Check everything: style, types, layering, template, build, and every test
	@# The client's tests run in the Node that came with the development packages.
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest

invoke: $(VENV)/.local ## Invoke one function without Docker: FUNCTION=login EVENT=events/login.json
	@$(BIN)/python -m local.invoke '$(FUNCTION)' '$(EVENT)'

lint: $(VENV)/.dev $(SAM_VENV)/.sam ## Check style, types, layering and the template
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(SAM) validate --lint --region us-east-1

build: $(VENV)/.local $(SAM_VENV)/.sam ## Build what is deployed, into .aws-sam/build
	@architecture="$$(PARAMETERS='$(PARAMETERS)' $(BIN)/python -m ops.parameters Architecture $(STAGE))" && \
	  PYTHON='$(abspath $(BIN)/python)' RUNTIME_PYTHON="$$($(BIN)/python -m ops.runtime --install)" \
	  ARCHITECTURE="$$architecture" $(SAM) build --region us-east-1

secrets: $(VENV)/.local ## Put what a deployment needs into SSM, asking for it: STAGE=prod, ROTATE=name
	@$(BIN)/python -m ops.secrets '$(STAGE)' $(if $(ROTATE),--rotate '$(ROTATE)')

deploy: build ## Deploy samconfig.toml's environment STAGE=prod; options: PARAMETERS="…" GRADUAL=true
	@PARAMETERS='$(PARAMETERS)' $(BIN)/python -m ops.deploy '$(STAGE)' \
	  $(if $(filter true,$(GRADUAL)),--gradual) $(if $(filter true,$(UNCOMPILED)),--uncompiled)

rollback: $(VENV)/.local ## Point a deployment back at the release before, in seconds: STAGE=prod
	@$(BIN)/python -m ops.rollback '$(STAGE)'

doctor: $(VENV)/.local ## Check a deployment, one line each, with the remedy: STAGE=prod, or STAGE=local
	@$(BIN)/python -m ops.doctor '$(STAGE)' $(if $(API),--api '$(API)')

bench: build $(BENCH_VENV)/.bench ## Measure speed and cost beside others, ten minutes, into the tables of docs/; QUICK=true: a trial
	$(BENCH_VENV)/bin/python -m benchmarks $(if $(QUICK),--quick)

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(SAM_VENV)/.sam ## Pin again what the .in files ask for
	cd requirements && $(LOCK) $(NO_DJANGO) dev.in -o dev.txt && $(LOCK) $(NO_DJANGO) -c dev.txt local.in -o local.txt \
	  && $(LOCK) -c dev.txt ../layers/requirements.in \
	       -o ../layers/requirements.txt \
	  && $(LOCK) -c dev.txt bench.in -o bench.txt && $(LOCK) sam.in -o sam.txt && $(LOCK) $(LEFT_OUT) ministack.in -o ministack.txt

clean: ## Remove what was built and installed; .local, the local data, stays
	rm -rf $(VENV) $(SAM_VENV) $(BENCH_VENV) tests/client/node_modules .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make run PYTHON=python3.13")'
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(call SEARCH_PATH,$(VENV))
	@touch $@

$(VENV)/.local: requirements/local.txt | $(VENV)/.made
	@echo "Installing what the local run needs into $(VENV) …"
	@$(BIN)/python $(PIP_INSTALL) requirements/local.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(VENV)/.local
	@echo "Installing what the tests need into $(VENV) …"
	@$(BIN)/python $(PIP_INSTALL) requirements/dev.txt
	@touch $@

# The types of wx, uni and Taro, and the compilers; npm comes with the development packages.
tests/client/node_modules/.made: tests/client/package-lock.json | $(VENV)/.dev
	@echo "Installing what checks the client's types …"
	@cd tests/client && PATH="$(abspath $(BIN)):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# SAM CLI pins its own boto3, so it has a virtual environment of its own.
$(SAM_VENV)/.sam: requirements/sam.txt | $(VENV)/.made
	@echo "Installing SAM CLI into $(SAM_VENV) …"
	@$(BIN)/python -m venv $(SAM_VENV)
	@$(SAM_VENV)/bin/python $(PIP_INSTALL) requirements/sam.txt
	@touch $@

# On Lambda's own version of Python, where there is one.
$(BENCH_VENV)/.bench: requirements/bench.txt | $(VENV)/.made
	@echo "Installing what the benchmarks need into $(BENCH_VENV) …"
	@python="$$($(BIN)/python -m ops.runtime 2>/dev/null)"; "$${python:-$(BIN)/python}" -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python $(PIP_INSTALL) requirements/bench.txt
	@$(call SEARCH_PATH,$(BENCH_VENV))
	@touch $@
