"""The files of every format, as users take them away: each is run where glr is not installed."""

import re
from pathlib import Path

import numpy as np
import pytest

import glr.export.runtimes
from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.retrieval.descriptors import load
from glr.tracking.history import find
from glr.tracking.store import connect
from tests.ensemble.test_main import descriptors_of
from tests.export.runtimes.fresh import run
from tests.export.test_export import export

pytestmark = pytest.mark.slow
RUNTIMES = Path(glr.export.runtimes.__path__[0])
PREDICT = """
import sys, mlflow, numpy as np
with np.load(sys.argv[2]) as images:
    one = np.stack([images[name] for name in images])
np.save(sys.argv[3], mlflow.pyfunc.load_model(sys.argv[1]).predict(one))
"""


@pytest.fixture(scope="module")
def exported(trained: Path) -> tuple[Path, str]:
    """The folder of an ensemble of 16 and 24 pixels, as 3 to 1, in every format; and what the command printed."""
    every = "format=[onnx,litert,litert_float16,keras]"
    line = ["members=[one,two]", "weights=[3,1]", every, "register=pair", f"output={trained}/every", "verify=6"]
    return trained / "every", export(trained, *line)


@pytest.fixture(scope="module")
def queries(trained: Path) -> tuple[list[str], list[np.ndarray], np.ndarray]:
    """The ids and images of all queries, and the descriptors that training stored for them."""
    pictures = StoredPictures(PreparedData(trained / "data/folder"), "query")
    ((ids, images),) = batches(pictures, image_size=None, batch_size=99, parallelism=1)
    stored = [load(descriptors_of(trained, name), "query") for name in ("one", "two")]
    assert stored[0].ids == [image_id for image_id, _ in ids]
    expected = np.concatenate([np.sqrt(0.75) * stored[0].values, np.sqrt(0.25) * stored[1].values], axis=1)
    return stored[0].ids, images, expected


def card_code(folder: Path):
    """The function that the model card shows."""
    code = re.search(r"```python\n(.*?)```", (folder / "model_card.md").read_text(), re.S)
    assert code
    names: dict = {}
    exec(code[1], names)
    return names["letterbox"]


def test_only_the_formats_asked_for_are_written(exported: tuple[Path, str]):
    folder, printed = exported
    files = ["model.onnx", "model.tflite", "model_float16.tflite", "model.keras", "model_card.md"]
    assert printed.splitlines()[0] == f"{folder}: {', '.join(files)}"
    assert sorted(file.name for file in folder.iterdir()) == sorted(files)


def test_the_differences_and_the_cost_of_float16_are_printed(exported: tuple[Path, str]):
    folder, printed = exported
    differences = re.findall(
        r"^(\S+) .* MB, in (.*) on 6 queries: largest difference from the SavedModel (\S+)$", printed, re.M
    )
    largest = {file: float(value) for file, _, value in differences}
    assert {file: runtime for file, runtime, _ in differences} == {
        "model.onnx": "ONNX Runtime",
        "model.tflite": "LiteRT",
        "model_float16.tflite": "LiteRT",
        "model.keras": "Keras",
    }
    half = largest.pop("model_float16.tflite")
    assert max(largest.values()) < 1e-5 < half < 1e-2
    cost = re.search(r"public/map_at_100 (\S+), SavedModel (\S+); .* \((\d+) queries, (\d+) index images\)", printed)
    assert cost
    assert abs(float(cost[1]) - float(cost[2])) < 0.1
    assert (int(cost[3]), int(cost[4])) == (12, 36)
    assert f"{half:.1e} on 6 images" in (folder / "model_card.md").read_text()


@pytest.mark.parametrize(
    ("file", "script", "blocked", "tolerance"),
    [
        ("model.onnx", "onnx.py", ("tensorflow", "keras", "onnx", "tf2onnx", "PIL", "mlflow"), 1e-5),
        ("model.tflite", "litert.py", ("tensorflow", "keras", "PIL", "mlflow"), 1e-5),
        ("model_float16.tflite", "litert.py", ("tensorflow", "keras", "PIL", "mlflow"), 1e-2),
        ("model.keras", "keras.py", ("mlflow",), 1e-5),
    ],
)
def test_a_file_gives_the_descriptors_of_training(
    exported: tuple[Path, str],
    queries,
    tmp_path: Path,
    file: str,
    script: str,
    blocked: tuple[str, ...],
    tolerance: float,
):
    folder, (_, images, expected) = exported[0], queries
    if file == "model.onnx":
        np.savez(tmp_path / "images.npz", *images)
    else:
        letterbox = card_code(folder)
        fitted = {f"input_images_{size}": np.stack([letterbox(image, size) for image in images]) for size in (16, 24)}
        np.savez(tmp_path / "images.npz", **fitted)
    run(RUNTIMES / script, folder / file, tmp_path / "images.npz", tmp_path / "out.npy", blocked=blocked)
    described = np.load(tmp_path / "out.npy")
    np.testing.assert_allclose(described, expected, atol=tolerance)
    np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1, atol=1e-5)


def test_a_registered_model_predicts_without_glr(
    exported: tuple[Path, str], queries, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert "registered as version 1 of pair: mlflow.pyfunc.load_model('models:/pair/1')" in exported[1]
    _, images, expected = queries
    np.savez(tmp_path / "images.npz", *images)
    (tmp_path / "predict.py").write_text(PREDICT)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{trained}/mlruns/mlflow.db")
    script = tmp_path / "predict.py"
    run(script, "models:/pair/1", tmp_path / "images.npz", tmp_path / "out.npy", blocked=("jax", "sklearn"))
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-5)
    client = connect(f"sqlite:///{trained}/mlruns/mlflow.db")
    one, two = (find(client, name) for name in ("one", "two"))
    assert client.get_model_version("pair", "1").run_id == one.id
    assert one.tags["registered_model"] == two.tags["registered_model"] == "pair/1"


def test_a_file_that_differs_is_not_written(trained: Path, tmp_path: Path):
    line = ["run=two", "format=[litert_float16]", f"output={tmp_path}/out", "verify=2", "float16.tolerance=0"]
    said = re.fullmatch(
        r"error: format=litert_float16: its descriptors differ from the SavedModel's by (.*), more than "
        r"float16.tolerance=0; nothing was written",
        export(trained, *line),
    )
    assert said
    assert 0 < float(said[1]) < 1e-2
    assert not list(tmp_path.iterdir())
