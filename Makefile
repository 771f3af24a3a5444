# make demo: train and score a model on landmarks drawn on the spot. make test: lint, types and tests.
# make docs: the documentation, as a web page. make notebooks: its notebooks, run again. make coverage: what the tests run of the code.
# Each makes .venv and installs what it needs, as constraints.txt pins it.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13)
EXTRA ?= cpu
PROCESSES ?= 3
BIN := .venv/bin
# Without --no-loadscope-reorder, xdist starts with the files that have the most tests, not with the slowest, as
# tests/conftest.py sorts them.
PYTEST = $(BIN)/pytest --numprocesses=$(PROCESSES) --dist=loadfile --no-loadscope-reorder
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: demo test lint docs notebooks coverage ui

demo: .venv/installed-$(EXTRA)
	$(BIN)/python -m glr.train backbone=densenet201 head=adacos_semi -m

test: lint
	$(PYTEST)

lint: .venv/installed-$(EXTRA)-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# On http://localhost:8000, drawn again when a page changes
docs: .venv/installed-$(EXTRA)-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

coverage: .venv/installed-$(EXTRA)-dev
	$(PYTEST) --cov=glr --cov=hydra_plugins --cov-report=term

# Run the notebooks of the documentation again, and store what they print.
notebooks: .venv/installed-$(EXTRA)-dev
	rm -rf .notebooks && cp -r docs/notebooks .notebooks
	cd .notebooks && TQDM_DISABLE=1 PYTHONWARNINGS=ignore ../$(BIN)/jupyter nbconvert --to notebook --execute --inplace \
		--coalesce-streams --ExecutePreprocessor.record_timing=False *.ipynb
	cp .notebooks/*.ipynb docs/notebooks && rm -rf .notebooks

# MLflow's pages on http://localhost:5000
ui: .venv/installed-$(EXTRA)
	MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db

.venv/installed-$(EXTRA): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) ".[$(EXTRA)]"
	touch $@

# KerasHub without its dependencies: tensorflow-text would bring a second TensorFlow, and backbones do not need it.
.venv/installed-$(EXTRA)-dev: .venv/installed-$(EXTRA)
	$(INSTALL) ".[$(EXTRA),dev]"
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps keras-hub
	touch $@
