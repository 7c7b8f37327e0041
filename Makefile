# `make demo` and `make test` work in a fresh clone: the first of them sets up .venv. Another Python: make demo PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-slow lint clean
.DELETE_ON_ERROR:

help:
	@echo "make demo       train, test, export and predict on clips made on the spot (about 5 minutes on 2 CPU cores)"
	@echo "make test       lint, types and tests"
	@echo "make test-slow  the few tests that take half a minute or more each"
	@echo "make lint       ruff and mypy alone"
	@echo "make clean      remove what make and the demo wrote, .venv too"

demo: .venv/installed-cpu
	$(BIN)/python tools/demo.py

# Files of tests are shared out to two processes: most tests keep one core busy.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile

test-slow: lint
	$(BIN)/pytest -m slow

lint: .venv/installed-cpu,dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis data/demo/videos
	rm -rf output/TSM_demo output/TSN_demo inference/TSM_demo inference/TSN_demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A file for each set of extras, newer than setup.py once they are installed, so that the second run starts at once.
.venv/installed-%: setup.py
	@$(PYTHON) -c 'import sys; sys.exit("%s is Python %s; 3.10 or newer is needed: make PYTHON=python3.12" \
	    % (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 10) else 0)'
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --progress-bar on -e '.[$*]'
	@touch $@
