# The two commands:  make lab   make test        (make help lists the rest)

PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.made-from-pyproject-and-constraints

# Overrides:  make lab PORT=9999 BROWSER=firefox   make lab LAB_ARGS="--no-browser"   make test TESTS=tests/model
PORT ?= 8888
BROWSER ?=
LAB_ARGS ?=
TESTS ?=
PYTEST_ARGS ?=
COURSE := notebooks/00_start_here.ipynb

.DEFAULT_GOAL := help
.PHONY: help lab test lint notebooks env clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## make the environment in .venv, if it is not there yet

$(STAMP): pyproject.toml constraints.txt
	@echo "Making the environment in $(VENV) (some minutes the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "This needs Python 3.11 or later: make lab PYTHON=python3.11" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) > /dev/null \
	  || { rm -rf $(VENV); echo "python3 -m venv failed. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch $@

lab: $(STAMP) ## open the course in JupyterLab (PORT=8888, BROWSER=..., LAB_ARGS=...)
	@echo "Opening $(COURSE) in JupyterLab, for this machine only. Ctrl-C ends it."
	@$(PY) -m jupyterlab --ServerApp.ip=127.0.0.1 --ServerApp.port=$(PORT) \
	  $(if $(BROWSER),--browser='$(BROWSER)') $(LAB_ARGS) $(COURSE)

test: $(STAMP) ## run every test and every notebook (TESTS=..., PYTEST_ARGS=...)
	@echo "Running the tests and the notebooks ..."
	@$(PY) -m pytest $(PYTEST_ARGS) $(TESTS)

lint: $(STAMP) ## check style and types
	@$(PY) -m ruff check .
	@$(PY) -m mypy

notebooks: $(STAMP) ## run the notebooks again, in order, and store them clean
	@$(PY) tools/notebooks.py

clean: ## remove the environment and everything else that was made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
