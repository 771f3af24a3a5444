"""An exported model loads without glr and gives the descriptors of training."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.export import job
from glr.retrieval.descriptors import load
from tests.ensemble.test_main import descriptors_of
from tests.export.test_export import export

REGISTERED = ["run=one", "register=late", "verify=0"]

# As on a machine that has TensorFlow alone.
SCORER = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("glr", "hydra", "mlflow", "omegaconf", "cv2", "jax", "sklearn"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
single, batched = model.signatures["serving_default"], model.signatures["batched"]
with np.load(sys.argv[2]) as images:
    arrays = [images[name] for name in images]
one = [single(input_image=tf.constant(image))["global_descriptor"].numpy() for image in arrays]
many = batched(input_images=tf.constant(np.stack(arrays)))["global_descriptor"].numpy()
np.savez(sys.argv[3], one=np.stack(one), many=many)
"""


def scored(archive: Path, images: list[np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "scorer")
    np.savez(folder / "images.npz", *images)
    call = [sys.executable, "-I", "-c", SCORER, *(str(folder / n) for n in ("scorer", "images.npz", "out.npz"))]
    subprocess.run(call, check=True, capture_output=True)
    with np.load(folder / "out.npz") as out:
        return dict(out)


@pytest.mark.slow
def test_what_is_submitted_gives_the_descriptors_of_training(trained: Path, tmp_path: Path):
    output = tmp_path / "out"
    line = ["members=[1,two]", "weights=[3,1]", "verify=5", "limits.dimension=2048", "limits.megabytes=50"]
    printed = export(trained, *line, f"output={output}")
    assert printed.splitlines()[0] == f"{output}: saved_model/, submission.zip, model_card.md"
    assert "dimension 40 (limit 2,048)" in printed
    assert "MB (limit 50)" in printed
    assert "checked in a fresh process on 5 queries: largest difference from the descriptors of training" in printed
    assert float(printed.split()[-1]) < 1e-5
    with zipfile.ZipFile(output / "submission.zip") as archive:
        names = archive.namelist()
    assert {"saved_model.pb", "variables/variables.index"} <= set(names)
    ((ids, images),) = batches(
        StoredPictures(PreparedData(trained / "data/folder"), "query"), image_size=None, batch_size=99, parallelism=1
    )
    stored = [load(descriptors_of(trained, name), "query") for name in ("one", "two")]
    assert stored[0].ids == [image_id for image_id, _ in ids]
    expected = np.concatenate([np.sqrt(0.75) * stored[0].values, np.sqrt(0.25) * stored[1].values], axis=1)
    actual = scored(output / "submission.zip", images, tmp_path)
    np.testing.assert_allclose(actual["one"], expected, atol=1e-5)
    np.testing.assert_allclose(actual["many"], expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(actual["one"], axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_a_model_that_differs_from_training_is_not_written(trained: Path, tmp_path: Path):
    """The best weights have no stored descriptors: compare the export with the model itself."""
    printed = export(trained, "run=one", "checkpoint=best", f"output={tmp_path}/out", "verify=3", "tolerance=0")
    sentence = re.fullmatch(
        r"error: the written model's descriptors differ from the model in training's pipeline by (.*), more than "
        r"tolerance=0; nothing was written",
        printed,
    )
    assert sentence
    assert 0 < float(sentence[1]) < 1e-5
    assert not list(tmp_path.rglob("saved_model"))


def test_files_are_complete_before_their_model_is_registered(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object):
        raise MlflowException("no room in the registry")

    monkeypatch.setattr(MlflowClient, "create_model_version", refuse)
    printed = export(trained, *REGISTERED, f"output={tmp_path}/out")
    assert printed == (
        "error: register=late: the MLflow store does not accept the model (no room in the registry); mend that, then "
        f"export to another output; the files in {tmp_path}/out are complete"
    )
    assert {"model_card.md", "saved_model", "submission.zip"} == {file.name for file in (tmp_path / "out").iterdir()}


def test_nothing_is_registered_without_files(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> str:
        raise GlrError("no card")

    monkeypatch.setattr(job, "model_card", fail)
    assert export(trained, *REGISTERED, f"output={tmp_path}/out") == "error: no card"
    client = MlflowClient(f"sqlite:///{trained}/mlruns/mlflow.db")
    assert client.search_model_versions("name = 'late'") == []
    assert not list(tmp_path.iterdir())
