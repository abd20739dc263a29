# Needs Python 3.11+, git and make; everything else goes into .venv, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt | cksum | tr ' ' '-')

.PHONY: demo test prove bench lint format venv clean

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "wcsync needs Python 3.11 or newer; set PYTHON=…")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	rm -f $(VENV)/.installed-*
	touch $@

demo: venv
	$(BIN)/wcsync demo

test: venv
	$(BIN)/python -m pytest -n 4 --dist worksteal

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# SHORT=1: the same proofs in a few minutes, as CI runs them.
prove: venv
	rm -f .proofs.jsonl
	WCSYNC_PROVE=$(if $(SHORT),short,full) $(BIN)/python -m pytest -m prove -n 3 --dist worksteal --timeout 7200 --durations 12 --tb=short; \
	code=$$?; $(BIN)/python -m tests.proofs; exit $$code

# SHORT=1: smaller sizes in about a minute, as CI runs them.
bench: venv
	$(BIN)/python -m benchmarks $(if $(SHORT),--quick)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
