"""The notebooks of the documentation run from their first to their last cell; `make notebooks` stores their outputs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from glr.devices.startup import import_tensorflow
from glr.tracking.store import connect
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
# What the notebooks show, and what is enough to see their cells run.
SMALLER = {
    'epochs": 8': 'epochs": 1',
    'every": 8': 'every": 1',
    'photos_per_landmark": 16': 'photos_per_landmark": 4',
    "seed in (0, 1)": "seed in (0,)",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> Path:
    """The folder that all notebooks run in, so that the photos are drawn once.

    The libraries are loaded: they set environment variables when they are first used.
    """
    folder = tmp_path_factory.mktemp("notebooks")
    import_tensorflow()
    connect(f"sqlite:///{new_store(folder)}")
    return folder


@pytest.mark.slow
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
        source = "".join(cell["source"])
        for shown, tried in SMALLER.items():
            source = source.replace(shown, tried)
        shell.run_cell(source).raise_error()
    assert dict(os.environ) == before
