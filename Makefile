# make demo: train and score a model on landmarks drawn on the spot. make test: lint, types and tests.
# Each makes .venv and installs what constraints.txt pins.
PYTHON ?= python3.11
EXTRA ?= cpu
BIN := .venv/bin

.PHONY: demo test lint ui

demo: .venv/installed-$(EXTRA)
	$(BIN)/python -m glr.train backbone=densenet201 head=adacos_semi -m

test: lint
	$(BIN)/pytest

lint: .venv/installed-$(EXTRA)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

# MLflow's pages on http://localhost:5000
ui: .venv/installed-$(EXTRA)
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db

.venv/installed-$(EXTRA): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[$(EXTRA),dev]"
	touch $@
