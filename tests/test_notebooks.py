"""The notebooks of the documentation run from their first to their last cell; `make notebooks` stores their outputs."""

import json
import os
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all notebooks run in, so that the photos are drawn once."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_every_cell_runs(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shell = InteractiveShell()
    cells = [cell for cell in json.loads(file.read_text())["cells"] if cell["cell_type"] == "code"]
    assert sum(bool(cell["outputs"]) for cell in cells) >= 2
    before = dict(os.environ)
    for cell in cells:
        source = (
            "".join(cell["source"]).replace('"train.epochs": 8', '"train.epochs": 1').replace('every": 8', 'every": 1')
        )
        shell.run_cell(source).raise_error()
    assert dict(os.environ) == before
