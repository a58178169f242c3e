# make help lists the targets.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/installed: tests/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r tests/requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock: ## write the lock files anew: names, versions and hashes
	echo hatchling | uv pip compile pyproject.toml - --all-extras $(LOCK_OPTIONS) -o tests/requirements.txt
	echo hatchling | uv pip compile pyproject.toml - --extra operator $(LOCK_OPTIONS) -o operator/requirements.txt
	echo hatchling | uv pip compile pyproject.toml - --extra worker $(LOCK_OPTIONS) -o worker_image/requirements.txt

LOCK_OPTIONS := --generate-hashes --no-emit-index-url --no-emit-find-links --universal --no-header --quiet

.PHONY: help lock
