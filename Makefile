.DEFAULT_GOAL := help
.PHONY: help run check unit test simulate mutants attack soak browser docs invoke lint build bench secrets deploy rollback doctor user replay format lock clean

# Any Python from 3.11 on: make run PYTHON=python3.13
PYTHON ?= python3
VENV := .venv
SAM_VENV := .venv-sam
BENCH_VENV := .venv-bench
BIN := $(VENV)/bin
SAM := SAM_CLI_TELEMETRY=0 $(SAM_VENV)/bin/sam
LOCK := ../$(SAM_VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-strip-extras --no-header \
  --python-version 3.11
# Requirements of ministack that DynamoDB and SSM never load.
LEFT_OUT := $(addprefix --no-emit-package ,botocore jmespath python-dateutil six urllib3 \
  jsonata-python graphql-core defusedxml)
NO_DJANGO := $(addprefix --no-emit-package ,django asgiref sqlparse tzdata)
# Makes the project importable in a virtual environment, also for editors and scripts.
SEARCH_PATH = printf '%s\n' '$(CURDIR)' '$(CURDIR)/functions' '$(CURDIR)/layers' > \
  "$$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/wechat_login.pth"
# The sources of `sam build`.
BUILT_FROM := template.yaml monitoring.yaml functions layers requirements/sam.txt
# Each worker of the tests, and each program that they start, would compile our modules again.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r

# The tests' other requirements; no test installs anything.
MINISTACK := .local/ministack-venv/installed
VERIFIERS := .local/verifiers/.installed tests/verifiers/node_modules/.package-lock.json
WHEELS := .local/wheels/.downloaded
BEYOND := .local/deployed/.installed
VALID := .aws-sam/valid
ATTACK := .local/attack/.installed
CLIENT := tests/client/node_modules/.made
# All that `make test` needs.
INSTALLED := $(VENV)/.dev $(SAM_VENV)/.sam $(WHEELS) $(MINISTACK) $(VERIFIERS) $(BEYOND) $(CLIENT)
CHROMIUM := chromium chromium-driver fonts-noto-cjk
# Three more than there are processors: with two more, a fifth of the processors' time stayed unused.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 3)
# The client's tests run in the Node of the development packages.
PYTEST = PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest

help: ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

run: $(VENV)/.local ## Run the whole login on this machine; options: PARAMETERS="…" PORT= WECHAT_PORT=
	@PARAMETERS='$(PARAMETERS)' $(BIN)/python -m local

check: $(VENV)/.dev ## Check format, style, types and import contracts, in seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.dev $(MINISTACK) ## Run the unit tests of the layer, or others: T=tests/unit/test_phones.py K=transfer
	$(PYTEST) -q $(or $(T),tests/unit) $(if $(K),-k '$(K)')

test: ## Check everything: style, types, template, build, and every test
	@$(MAKE) --no-print-directory --jobs=4 browser $(INSTALLED)
	@$(MAKE) --no-print-directory --jobs=2 lint build
	$(PYTEST) -n $(WORKERS)

simulate: $(VENV)/.dev ## Run histories with faults, crashes and wrong clocks: SEEDS=20000, or one: SEED=7
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),2000))

mutants: $(VENV)/.dev ## Show that the simulation sees the layer broken on purpose; options: SEEDS=2000 ONLY="a word"
	@$(BIN)/python -m tests.simulation --mutants --seeds $(or $(SEEDS),2000) --only '$(ONLY)'

attack: $(VENV)/.dev $(MINISTACK) $(ATTACK) ## Send the local API thousands of requests, and each function any event: EXAMPLES=600
	$(BIN)/python -m tests.load.attack --examples $(or $(EXAMPLES),600)
	EXAMPLES=$(or $(EXAMPLES),600) $(PYTEST) -q tests/integration/test_any_event.py

soak: $(VENV)/.dev $(MINISTACK) ## Use the local run for a long time, and measure its answers, memory and descriptors: MINUTES=30
	$(BIN)/python -m tests.load.soak --minutes $(or $(MINUTES),30)

browser: ## Install Chromium for the browser's tests, if this is Debian and you are root
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || \
	  { command -v apt-get >/dev/null && test "$$(id -u)" = 0 && export DEBIAN_FRONTEND=noninteractive && \
	    apt-get -q update && apt-get -q install -y --no-install-recommends $(CHROMIUM); } || \
	  echo "No Chromium, so the browser's tests are skipped; on Debian: apt-get install $(CHROMIUM)" >&2

docs: $(VENV)/.local ## Write the tables that documents share with the code
	@$(BIN)/python -m ops.docs

invoke: $(VENV)/.local ## Invoke one function without Docker: FUNCTION=login EVENT=events/login.json
	@$(BIN)/python -m local.invoke '$(FUNCTION)' '$(EVENT)'

lint: check $(VALID) ## Run `make check`, and check the template

$(VALID): template.yaml $(SAM_VENV)/.sam
	$(SAM) validate --lint --region us-east-1
	@mkdir -p $(@D) && touch $@

build: $(VENV)/.local $(SAM_VENV)/.sam ## Build the deployment into .aws-sam/build
	@architecture="$$(PARAMETERS='$(PARAMETERS)' $(BIN)/python -m ops.parameters Architecture $(STAGE))" && \
	  runtime="$$($(BIN)/python -m ops.runtime --install)" && \
	  wanted="$$(echo "$$architecture $$runtime"; find $(BUILT_FROM) -name __pycache__ -prune -o -type f -exec cksum {} + | sort)" && \
	  if [ -f .aws-sam/build/template.yaml ] && [ "$$(cat .aws-sam/built-from 2>/dev/null)" = "$$wanted" ]; then \
	    echo "Built already, from the same sources."; \
	  else rm -f .aws-sam/built-from; \
	    if [ $(WHEELS) -nt layers/requirements.txt ]; then export PIP_NO_INDEX=1 PIP_FIND_LINKS='$(CURDIR)/.local/wheels'; fi; \
	    PYTHON='$(abspath $(BIN)/python)' RUNTIME_PYTHON="$$runtime" ARCHITECTURE="$$architecture" \
	    $(SAM) build --region us-east-1 && echo "$$wanted" > .aws-sam/built-from; fi

secrets: $(VENV)/.local ## Ask for a deployment's secrets, and put them into SSM: STAGE=prod, ROTATE=name, APPID=wx… [REMOVE=true]
	@$(BIN)/python -m ops.secrets '$(STAGE)' $(if $(ROTATE),--rotate '$(ROTATE)') $(if $(APPID),--appid '$(APPID)') \
	  $(if $(filter true,$(REMOVE)),--remove)

deploy: build ## Deploy samconfig.toml's environment STAGE=prod; options: PARAMETERS="…" GRADUAL=true
	@PARAMETERS='$(PARAMETERS)' $(BIN)/python -m ops.deploy '$(STAGE)' \
	  $(if $(filter true,$(GRADUAL)),--gradual) $(if $(filter true,$(UNCOMPILED)),--uncompiled)

rollback: $(VENV)/.local ## Point a deployment back at the previous release, in seconds: STAGE=prod
	@$(BIN)/python -m ops.rollback '$(STAGE)'

doctor: $(VENV)/.local ## Check a deployment, and report each fault with its fix: STAGE=prod, or STAGE=local; RID=… explains one call
	@$(BIN)/python -m ops.doctor '$(STAGE)' $(if $(API),--api '$(API)') $(if $(RID),--rid '$(RID)')

user: $(VENV)/.local ## Find users, or list, block, unblock or erase them: STAGE=prod DO="block +8613800138000 reason=spam"
	@$(BIN)/python -m ops.users '$(STAGE)' '$(DO)' $(if $(filter true,$(JSON)),--json)

replay: $(VENV)/.local ## Publish again what the outbox has had since a time: STAGE=prod SINCE=2026-11-21T08:00Z
	@$(BIN)/python -m ops.replay '$(STAGE)' '$(SINCE)'

bench: build $(BENCH_VENV)/.bench ## Measure speed and cost against others in ten minutes, for the tables of docs/; QUICK=true: a trial
	$(BENCH_VENV)/bin/python -m benchmarks $(if $(QUICK),--quick)

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(SAM_VENV)/.sam ## Pin the requirements of the .in files again
	cd requirements && $(LOCK) $(NO_DJANGO) dev.in -o dev.txt && $(LOCK) $(NO_DJANGO) -c dev.txt local.in -o local.txt \
	  && $(LOCK) -c dev.txt ../layers/requirements.in \
	       -o ../layers/requirements.txt \
	  && $(LOCK) -c dev.txt bench.in -o bench.txt && $(LOCK) attack.in -o attack.txt && $(LOCK) sam.in -o sam.txt && $(LOCK) $(LEFT_OUT) ministack.in -o ministack.txt

clean: ## Remove builds and installations, but not .local, the local data
	rm -rf $(VENV) $(SAM_VENV) $(BENCH_VENV) tests/client/node_modules .aws-sam .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make run PYTHON=python3.13")'
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(call SEARCH_PATH,$(VENV))
	@touch $@

$(VENV)/.local: requirements/local.txt | $(VENV)/.made
	@echo "Installing the local run's requirements into $(VENV) …"
	@$(BIN)/python $(PIP_INSTALL) requirements/local.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(VENV)/.local
	@echo "Installing the tests' requirements into $(VENV) …"
	@$(BIN)/python $(PIP_INSTALL) requirements/dev.txt
	@touch $@

# The types of wx, uni and Taro, and the compilers; npm comes with the development packages.
tests/client/node_modules/.made: tests/client/package-lock.json | $(VENV)/.dev
	@echo "Installing the type checks of the client …"
	@cd tests/client && PATH="$(abspath $(BIN)):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# SAM CLI pins its own boto3, so it has its own virtual environment.
$(SAM_VENV)/.sam: requirements/sam.txt | $(VENV)/.made
	@echo "Installing SAM CLI into $(SAM_VENV) …"
	@$(BIN)/python -m venv $(SAM_VENV)
	@$(SAM_VENV)/bin/python $(PIP_INSTALL) requirements/sam.txt
	@touch $@

$(MINISTACK): requirements/ministack.txt | $(VENV)/.local
	@$(BIN)/python -c 'from local.emulator import installed; installed()'
	@touch $@

# The libraries with which other teams' services verify our tokens.
.local/verifiers/.installed: tests/verifiers/requirements.txt | $(VENV)/.made
	@echo "Installing libraries that verify tokens into .local/verifiers …"
	@$(BIN)/python -m venv --clear .local/verifiers
	@.local/verifiers/bin/python $(PIP_INSTALL) tests/verifiers/requirements.txt
	@touch $@

tests/verifiers/node_modules/.package-lock.json: tests/verifiers/package.json tests/verifiers/package-lock.json | $(VENV)/.dev
	@cd tests/verifiers && PATH="$(abspath $(BIN)):$$PATH" npm ci --silent --no-audit --no-fund --ignore-scripts --fetch-retries=5
	@touch $@

# The wheels of the layer for both processors: tests build it from these.
.local/wheels/.downloaded: layers/requirements.txt | $(VENV)/.made
	@echo "Downloading the libraries of the layer into .local/wheels …"
	@rm -rf .local/wheels
	@for processor in x86_64 aarch64; do $(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes \
	  --only-binary=:all: --implementation cp --python-version 3.13 --platform manylinux2014_$$processor \
	  --dest .local/wheels -r layers/requirements.txt || exit 1; done
	@touch $@

# Further requirements of a whole AWS account in ministack.
.local/deployed/.installed: tests/deployed/requirements.txt | $(VENV)/.made
	@rm -rf .local/deployed
	@$(BIN)/python $(PIP_INSTALL) tests/deployed/requirements.txt --target .local/deployed
	@touch $@

# Schemathesis has dozens of libraries, which the tests do not need.
$(ATTACK): requirements/attack.txt | $(VENV)/.made
	@echo "Installing Schemathesis into .local/attack …"
	@$(BIN)/python -m venv --clear .local/attack
	@.local/attack/bin/python $(PIP_INSTALL) requirements/attack.txt
	@touch $@

# Uses Lambda's version of Python, if it is installed.
$(BENCH_VENV)/.bench: requirements/bench.txt | $(VENV)/.made
	@echo "Installing the benchmarks' requirements into $(BENCH_VENV) …"
	@python="$$($(BIN)/python -m ops.runtime 2>/dev/null)"; "$${python:-$(BIN)/python}" -m venv $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python $(PIP_INSTALL) requirements/bench.txt
	@$(call SEARCH_PATH,$(BENCH_VENV))
	@touch $@
