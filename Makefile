# Two commands for everyone: `make run` (a live demo) and `make test`. They need git, make, Python 3.11 or newer
# and a package index, and keep everything they install in .venv. ARGS="…" is handed on to what is run.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
BIN := .venv/bin
ARGS ?=

.PHONY: run test unit sim check bench install install-dev lock clean

run: install
	@exec $(BIN)/reporter demo $(ARGS)

# Two processes share the files of tests: one core would be idle else. Who needs the machine alone gets it so
# (`tests/turns.py`).
test: install-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

unit: install-dev
	$(BIN)/python -m pytest tests/unit $(ARGS)

# Fresh seeds of the simulation for so long; stops at the first that fails, and says how to play it again.
SECONDS ?= 60
sim: install-dev
	$(BIN)/python -m tests.sim --seconds $(SECONDS) $(ARGS)

# Cheapest first.
check: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/reporter schedules check

bench: install
	@exec $(BIN)/reporter bench $(ARGS)

install: .venv/.installed
install-dev: .venv/.installed-dev

# After a change of the dependencies in pyproject.toml. ARGS=--upgrade takes the newest of everything.
LOCK = uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml
lock:
	@command -v uv >/dev/null || { echo "make lock needs uv on PATH (pip install uv)" >&2; exit 1; }
	$(LOCK) --extra build $(ARGS) -o requirements.txt
	$(LOCK) --extra build --extra dev $(ARGS) -c requirements.txt -o requirements-dev.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

# --- installing, only when a lock has changed ----------------------------------------------------------------

# Where this Python cannot put pip into a venv (Debian without python3-venv), its own pip does the work.
PIP = $(shell test -x $(BIN)/pip && echo $(BIN)/pip || echo $(PYTHON) -m pip --python $(BIN)/python)
INSTALL = $(PIP) install --quiet --disable-pip-version-check --no-input --no-warn-script-location

.venv/.made:
	@test -n "$(PYTHON)" || { echo "Reporter needs Python 3.11 or newer; none was found. \
	If it has another name, say so: make PYTHON=/path/to/python" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv --clear .venv; \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then $(PYTHON) -m venv --clear --without-pip .venv; \
	else echo "$(PYTHON) can neither make a virtual environment with pip (no ensurepip) nor has pip itself. \
	On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; fi
	@touch $@

.venv/.installed: requirements.txt pyproject.toml | .venv/.made
	@echo "Installing what requirements.txt pins into .venv (about half a minute the first time) …"
	@$(INSTALL) --require-hashes -r requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q reporter
	@touch $@

# The dev lock holds the other one whole, so one installation serves both.
.venv/.installed-dev: requirements-dev.txt requirements.txt pyproject.toml | .venv/.made
	@echo "Installing what requirements-dev.txt pins into .venv (about a minute the first time) …"
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q reporter
	@touch $@ .venv/.installed
