# The words of this project. `make help` lists them; a laptop and CI use the same ones.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
CODE := restorecli training tests examples

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types walls tests test-slow release-check fix bench bench-speed strip gallery sheet goldens \
	train clean

help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	@touch $@

.venv/developer: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps retinaface-pytorch torchvision # one test's oracle; its pins would bring an old torch
	@touch $@ .venv/runtime

setup: .venv/developer ## make .venv with everything that developing needs

demo: .venv/runtime ## restore the pictures of examples/ into demo/ and say what they gained
	@$(BIN)/python examples/demo.py

test: lint types walls tests ## set up, lint, check types and walls, run every test: what CI runs

lint: setup ## ruff: style and format
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: setup ## mypy, strict
	$(BIN)/mypy

walls: setup ## import-linter: which module may import which
	$(BIN)/lint-imports

tests: setup ## every test but the slow ones, a process for each core, with coverage of restorecli
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n auto --dist loadfile -m 'not slow' --cov --cov-report=term --cov-fail-under=90

test-slow: setup ## the tests that take minutes: memory, large photos, reproducible training
	$(BIN)/python -m pytest -m slow

release-check: setup ## build, install the wheel alone with its dependencies, use it as a stranger
	$(BIN)/python -m pytest tests/test_wheel.py tests/test_distribution.py --install-dependencies -v -rs

fix: setup ## format, and mend what ruff can mend
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: .venv/runtime ## score the shipped weights and the classical filters on examples/pairs
	$(BIN)/restore bench

bench-speed: .venv/runtime ## time photos of 0.26 to 35 megapixels, by stage (minutes, on an idle machine)
	$(BIN)/restore bench --speed

strip: .venv/runtime ## draw docs/strip.jpg, the picture at the top of README, anew
	cd docs && ../$(BIN)/python ../examples/strip.py

gallery: .venv/runtime ## make docs/gallery.html, real scans before and after, anew
	$(BIN)/python -m training.evaluate.gallery docs/gallery.html

sheet: .venv/runtime ## draw docs/patterns.jpg, every family of patterns
	$(BIN)/python -m training.evaluate.pattern_sheet docs/patterns.jpg

goldens: setup ## make the expected pictures of tests/golden anew; look at the difference
	$(BIN)/python -m pytest tests/golden/test_golden.py --update-golden

train: .venv/runtime ## the commands the shipped weights were made with (hours; see docs/training.md)
	BIN=$(BIN) bash training/reference.sh

clean: ## remove .venv, caches and what was made
	rm -rf .venv demo tests/out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
