# `make demo` and `make test` are all it takes on a fresh machine; `make help` says what else there is.

PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-unit test-faults test-containers lint audit format bench screenshots adf requirements clean

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 24

# The stamps are named by what they were made from: another pin installs again.
setup: $(VENV)/run.stamp  ## install what the flows need into .venv

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed and was not found; install one, or make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: prefect-requirements.txt | $(VENV)/bin/python
	@echo "installing into $(VENV), about a minute"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r prefect-requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt | $(VENV)/bin/python
	@echo "installing into $(VENV), about a minute"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@ $(VENV)/run.stamp

FEED ?= turnstile
demo: $(VENV)/run.stamp  ## land a generated week in data/demo/lake, offline; FEED=ridership, a table
	@$(BIN)/python benchmarks/demo.py $(FEED)

# Tests write many small files, and wait for the disk; in memory, where 4 GB of it are free, they do not.
MEMORY := $(shell [ -w /dev/shm ] && df -Pk /dev/shm | awk 'END { if ($$4 > 4000000) print "TMPDIR=/dev/shm" }')
PYTEST := $(MEMORY) $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal
test: test-unit  ## run the tests
	$(PYTEST) tests/integration tests/end_to_end

test-unit: $(VENV)/dev.stamp  ## run those of the tests that need no Prefect and no process
	$(PYTEST) tests/unit

test-faults: $(VENV)/dev.stamp  ## run those that draw by chance, ten times as often as `make test` does
	TRIES=all $(PYTEST) $$(grep -rl "^from tries import" tests/*/)

test-containers: $(VENV)/dev.stamp  ## build the image and run it: blocks, deployments, an agent, workers
	$(BIN)/python -m pytest -m containers

lint: $(VENV)/dev.stamp  ## check style, types, workflows, what is unsafe
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	PYTHONPATH=flows $(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive flows blocks deployments
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/zizmor --quiet --offline --persona pedantic .github

# What cannot be asked about counts as a fault too (--strict): no answer is no clean bill.
audit: $(VENV)/dev.stamp  ## ask whether anything that is pinned is known to be unsafe
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner off \
		-r prefect-requirements.txt -r docker-requirements.txt -r requirements/dev.txt

format: $(VENV)/dev.stamp  ## format the code
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

bench: $(VENV)/dev.stamp  ## measure it beside the reference; BESIDE=FOLDER, beside another checkout
	@$(BIN)/python benchmarks/bench.py $(if $(BESIDE),--beside $(BESIDE))

screenshots: $(VENV)/dev.stamp  ## take pictures of Prefect's pages and of a lake into docs/images; needs chromium
	@$(BIN)/python benchmarks/screenshots.py

adf: | $(VENV)/bin/python  ## join the Data Factory resources to arm_template.json, which az deploys
	@$(BIN)/python deployments/azure_data_factory/build_template.py

# The image's base brings Prefect and what Prefect needs; the image adds the rest, and its own aiosqlite.
PIN := UV_CUSTOM_COMPILE_COMMAND="make requirements" ../$(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11
requirements: $(VENV)/dev.stamp  ## compile requirements/*.in to exact pins
	cd requirements && $(PIN) --upgrade dev.in -o dev.txt
	cd requirements && $(PIN) -c dev.txt prefect.in -o ../prefect-requirements.txt
	cd requirements && $(PIN) -c dev.txt docker.in -o ../docker-requirements.txt \
		$$(grep '^prefect==' docker.in | $(PIN) -c dev.txt --no-header --no-annotate - | grep -v '^prefect==' | \
		sed -nE '/^aiosqlite==/d; s/^([a-z0-9._-]+)==.*/--no-emit-package \1/p')

clean:  ## remove the environment and the demo
	rm -rf $(VENV) data/demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
