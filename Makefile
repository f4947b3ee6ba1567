# Needs only make and Python 3.11 or newer; everything else goes into .venv (and .venv-3.x) here.
# PYTHON=/path/to/python picks the interpreter of .venv; by default it is the oldest that is supported.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test test-browser test-windows quick lint bench dist docs docs-check pictures dev-environment demo-environment clean

VENV := .venv
BIN := $(VENV)/bin
# The tests mostly wait for processes: more workers than cores.
PYTEST := -m pytest -p no:cacheprovider -n 4 --dist loadfile
PLATFORMS := darwin $(if $(wildcard src/logboom/platform/windows.py),win32)
TYPED := src $(wildcard bench tests/typing)

help:
	@echo "make demo    a Django project under gunicorn, killed workers, and the count of what arrived"
	@echo "make test    lint, types, the quick tests on every Python here, the whole suite on one"
	@echo "make test-windows  the tests that apply on a Windows Python under Wine (made in .venv-windows)"
	@echo "make test-browser  the page for the logs in chromium (LOGBOOM_PICTURES=1 makes the pictures anew)"
	@echo "make quick   the quick tests on one Python"
	@echo "make bench   the measurements of the documentation (BENCH=--quick for a first look)"
	@echo "make dist    wheel and sdist in dist/, checked and installed offline on each Python here"
	@echo "make docs    the documentation as a site, in site/ (open site/index.html)"
	@echo "make bench AGAINST=REV  the log call and the throughput beside another revision's, in one run"
	@echo "make clean   removes the environments and caches"

demo: demo-environment
	@DEMO_WEB=$(WEB) $(BIN)/python -P examples/django_project/drive.py

test: lint
	@set -e; main=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	scripts/interpreters | while read -r version python; do \
	  if [ "$$version" = "$$main" ]; then continue; fi; \
	  echo "== Python $$version: the quick tests"; \
	  scripts/environment ".venv-$$version" "$$python" test </dev/null; \
	  ".venv-$$version/bin/python" $(PYTEST) -q -m "not slow and not crash" </dev/null || exit 1; \
	done
	@echo "== Python of $(VENV): all tests"
	@$(BIN)/python $(PYTEST)

test-windows:
	@tools/windows/run "$(CURDIR)/.venv-windows" -X faulthandler -m pytest -q -p no:cacheprovider -p windows_suite \
	  -n 3 --dist loadfile --no-loadscope-reorder --timeout 300 $(ARGS)

test-browser:
	@tools/browser/stage

quick: dev-environment
	@$(BIN)/python $(PYTEST) -q -m "not slow and not crash"

lint: dev-environment
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(TYPED)
	@for platform in $(PLATFORMS); do $(BIN)/mypy --platform $$platform src || exit 1; done

bench:
	@scripts/environment .venv-bench "$(PYTHON)" ""
ifdef AGAINST
	@.venv-bench/bin/python -m bench.against "$(AGAINST)" $(BENCH)
else
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@.venv-bench/bin/python -m bench $(BENCH)
endif

docs-check: dev-environment
	@$(BIN)/python $(PYTEST) -q tests/test_packaging.py $(wildcard tests/test_*docs.py)

dist:
	@scripts/dist

docs:
	@scripts/environment .venv-docs "$(PYTHON)" docs
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet
	@echo "site/index.html"

# The README's picture: the output of a run on this machine.
pictures: dev-environment
	@$(BIN)/logboom demo | sed -n '/┌/,$$p' | scripts/terminal-picture '$$ logboom demo' > .demo.svg
	@mv .demo.svg docs/images/demo.svg

dev-environment:
	@scripts/environment $(VENV) "$(PYTHON)" dev

demo-environment:
	@scripts/environment $(VENV) "$(PYTHON)" demo

clean:
	rm -rf .venv .venv-3.* .venv-bench .venv-docs .venv-dist site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
