# Every target sets up what it needs: `make demo` on a fresh clone is enough.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN    := .venv/bin
STAMP  := .venv/.set-up
DATA   ?= ../shared/data
SPREAD := -n auto --dist loadfile

# Tests are rewritten and numba compiles once, not at each run, also where a machine forbids it.
export PYTHONDONTWRITEBYTECODE :=
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1

.PHONY: help setup demo test quick lint docs bench pretrain studies

help:  ## List these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup: $(STAMP)  ## Make .venv with everything in it

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Found $$($(or $(PYTHON),python3) --version 2>&1); Insula needs Python 3.11 or newer." >&2; \
	  echo "No .venv was made. Install Python 3.11, or say: make setup PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	@echo 'Setting up .venv: some minutes on a first run, depending on the network.'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[flower,reference,learn,dev]'
	@touch $@

demo: $(STAMP)  ## Three virtual clinics, privacy on, a report: runs/demo/report.html
	$(BIN)/insula simulate run study/protocols/demo.yaml --out runs/demo

test: lint  ## Lint, types and every test
	$(BIN)/python -m pytest -q $(SPREAD)

quick: $(STAMP)  ## The tests that take under a minute together
	$(BIN)/python -m pytest -q $(SPREAD) -m 'not slow' -p no:logging

lint: $(STAMP)  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(STAMP)  ## Check that what the documents say is so
	$(BIN)/python -m pytest -q tests/test_docs.py

bench: $(STAMP)  ## Time ours against its rivals: bench.json, docs/benchmarks.md
	$(BIN)/python -m simulations.bench --out bench.json --page docs/benchmarks.md

pretrain: $(STAMP)  ## Rebuild the public start, study/artefacts, from DATA where it is
	$(BIN)/python -m simulations.pretrain --data $(DATA)

studies: $(STAMP)  ## Both full studies at three seeds, tables in docs/studies; real people from DATA
	@for study in manchester-madrid virtual-children; do for seed in 1 2 3; do \
	  $(BIN)/insula simulate run study/protocols/$$study.yaml --data $(DATA) \
	    --out runs/$$study-$$seed --seed $$seed || exit 1; done; \
	  $(BIN)/python -m simulations.study_tables runs/$$study-[123] --out docs/studies/$$study.md; done
