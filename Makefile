# make demo: run it.   make test: test it.   Both need Python 3.11 or newer and nothing else.
#
# Two virtual environments, because they answer different questions: .venv/serve is what a user installs, small and
# without torch, so that the demo proves that serving does without; .venv/test adds training and the linters.
# Both hold the sources in place (pip install -e): only a change of pyproject.toml installs anything again.

PYTHON ?= python3
SERVE := .venv/serve
TEST := .venv/test
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: demo test lint format clean python-is-new-enough
.DEFAULT_GOAL := demo

demo: $(SERVE)/installed  ## make the demo library (the first time), serve it, print the address; ARGS="--port 9000"
	@$(SERVE)/bin/mmv-search demo $(ARGS)

test: $(TEST)/installed  ## all tests; ARGS="index -k fusion" for some
	@$(TEST)/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(TEST)/installed  ## what CI checks beside the tests
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy
	$(TEST)/bin/hadolint Dockerfile

format: $(TEST)/installed
	$(TEST)/bin/ruff check --fix .
	$(TEST)/bin/ruff format .

clean:  ## remove the virtual environments and caches; the library in its home folder stays
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(SERVE)/installed: pyproject.toml | python-is-new-enough
	@echo "Installing mmv-search into $(SERVE) (about 460 MB, a minute or less)..."
	@$(PYTHON) -m venv $(SERVE)
	@$(SERVE)/bin/python -m pip install $(PIP_FLAGS) -e .
	@touch $@

$(TEST)/installed: pyproject.toml | python-is-new-enough
	@echo "Installing mmv-search with training and test tools into $(TEST) (torch is large, some minutes)..."
	@$(PYTHON) -m venv $(TEST)
	@$(TEST)/bin/python -m pip install $(PIP_FLAGS) -e ".[train,dev]"
	@touch $@

python-is-new-enough:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  has=$$($(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null || echo missing); \
	  echo "mmv-search needs Python 3.11 or newer; $(PYTHON) is $$has." >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
