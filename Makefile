# One menu: `make help`. Everything below can be run again at any time; what is already there is not done twice.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-test run test test-faults test-kinds check fix docs bench lock

PY := .venv/bin/python
DATA ?= var/demo
HTTP ?= 8080
DICOM ?= 11112
TESTS ?= tests
PYTEST ?= -n 2 --dist loadgroup

help: ## Show this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Variables: DATA=$(DATA) HTTP=$(HTTP) DICOM=$(DICOM) TESTS=$(TESTS)"

setup: ## Install what running needs: Debian packages, .venv, the OHIF viewer
	@deploy/apt.sh run
	@deploy/venv.sh run
	@$(PY) deploy/front_end.py

setup-dev:
	@deploy/apt.sh run
	@deploy/venv.sh dev

setup-test: setup-dev
	@deploy/apt.sh test
	@$(PY) deploy/front_end.py

run: setup ## Start Overread with demo data in DATA, web on HTTP, DICOM on DICOM
	@mkdir -p $(DATA)
	@exec .venv/bin/overread up --data $(DATA) --http $(HTTP) --dicom $(DICOM) --demo

test: setup-test ## Install what the tests need and run them (TESTS=tests/scp for a part)
	$(PY) -m pytest $(PYTEST) $(TESTS)

test-faults: setup-test ## Run the attacks and faults, the long ones too
	$(PY) -m pytest -m "faults or not faults" -n 0 tests/faults tests/flows/test_earlier_studies.py

test-kinds: setup-test ## Open every kind of image and document in OHIF, the rare ones too
	$(PY) -m pytest -m "kinds or not kinds" -n 0 tests/flows/kinds tests/flows/test_viewer.py

check: setup-dev ## Report what style, types, imports and locks say; change nothing
	@deploy/check.sh

fix: setup-dev ## Format, and correct what ruff can
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format .

docs: setup-dev ## Write the tables of docs/reference anew from the code
	$(PY) -m worklist.routing_docs
	$(PY) -m gateway.conformance

bench: setup-test ## Measure Overread and Orthanc side by side
	$(PY) -m bench

lock: setup-dev ## Write requirements/*.lock anew from requirements/*.in and pyproject.toml
	@deploy/lock.sh
