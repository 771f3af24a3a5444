"""`python -m glr.export` as users run it: what is written loads without glr and gives the descriptors of training."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from glr import storage
from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.retrieval.descriptors import load
from tests.conftest import here
from tests.ensemble.test_main import descriptors_of
from tests.evaluate.test_evaluate import named
from tests.gcs.fixture import Gcs

# As on a machine that has TensorFlow alone.
SCORER = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("glr", "hydra", "mlflow", "omegaconf", "cv2"):
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


def export(folder: Path, *arguments: str) -> str:
    return here("export", "study=pair", *arguments, cwd=folder)


def scored(archive: Path, images: list[np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "scorer")
    np.savez(folder / "images.npz", *images)
    call = [sys.executable, "-I", "-c", SCORER, *(str(folder / n) for n in ("scorer", "images.npz", "out.npz"))]
    subprocess.run(call, check=True, capture_output=True)
    with np.load(folder / "out.npz") as out:
        return dict(out)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "members", "weights"),
    [(["run=two"], ["two"], [1.0]), (["members=[1,two]", "weights=[3,1]"], ["one", "two"], [3.0, 1.0])],
    ids=["run", "ensemble"],
)
def test_what_is_submitted_gives_the_descriptors_of_training(
    trained: Path, tmp_path: Path, what: list[str], members: list[str], weights: list[float]
):
    output = tmp_path / "out"
    printed = export(trained, *what, f"output={output}", "verify=5", "limits.dimension=2048", "limits.megabytes=50")
    dimension = 24 if members == ["two"] else 40
    assert printed.splitlines()[0] == f"{output}: saved_model/, submission.zip, model_card.md"
    assert f"dimension {dimension} (limit 2,048)" in printed
    assert "MB (limit 50)" in printed
    assert "reloaded in a fresh process, 5 query images: largest difference from the descriptors of training" in printed
    assert float(printed.split()[-1]) < 1e-5
    with zipfile.ZipFile(output / "submission.zip") as archive:
        names = archive.namelist()
    assert {"saved_model.pb", "variables/variables.index"} <= set(names)
    ((ids, images),) = batches(
        StoredPictures(PreparedData(trained / "data/folder"), "query"), image_size=None, batch_size=99, parallelism=1
    )
    stored = [load(descriptors_of(trained, name), "query") for name in members]
    assert stored[0].ids == [image_id for image_id, _ in ids]
    shares = np.sqrt(np.array(weights) / sum(weights))
    expected = np.concatenate([share * own.values for share, own in zip(shares, stored, strict=True)], axis=1)
    found = scored(output / "submission.zip", images, tmp_path)
    np.testing.assert_allclose(found["one"], expected, atol=1e-5)
    np.testing.assert_allclose(found["many"], expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found["one"], axis=1), 1, atol=1e-5)


def test_the_model_card_says_what_the_run_knows(trained: Path, tmp_path: Path):
    export(trained, "members=[1,2]", f"output={tmp_path}/out", "verify=0", "card.licence=apache-2.0")
    card = (tmp_path / "out/model_card.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "apache-2.0"
    for name in ("one", "two"):
        run = named(trained, name)
        assert f": {name}\n" in card
        assert run.info.run_id in card
        assert f"| gap | {run.data.metrics['public/gap']:.5f} | {run.data.metrics['private/gap']:.5f} |" in card
    assert "| licence of the data | not given |" in card
    assert "| input | 16 x 16 pixels, normalised as minus_one_one |" in card
    configs = [part.split("```")[0] for part in card.split("```yaml\n")[1:]]
    assert [yaml.safe_load(config)["model"]["embedding_size"] for config in configs] == [16, 24]


def test_the_best_weights_are_compared_with_the_model_itself(trained: Path, tmp_path: Path):
    printed = export(trained, "run=one", "checkpoint=best", f"output={tmp_path}/out", "verify=3")
    assert "largest difference from the model in training's pipeline" in printed
    assert float(printed.split()[-1]) < 1e-5


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "give run=NAME (or its id), or members=[...]: one of them"),
        ("run=one members=[2]", "give run=NAME (or its id), or members=[...]: one of them"),
        ("run=three", "there is no run with the id or the name three"),
        ("members=[1,2] weights=[1]", "weights: 1 for 2 members; give one for each"),
        ("members=[1,2] weights=[1,-1]", "weights=[1.0, -1.0]: weights are above 0"),
        ("members=[1,2] limits.dimension=32", "the descriptor would have 40 dimensions; limits.dimension=32"),
        ("run=one limits.megabytes=0.001", "submission.zip has 0.1 MB; limits.megabytes=0.001"),
        ("run=one tolerance=0", "more than tolerance=0; nothing was written"),
    ],
)
def test_a_refusal_leaves_nothing(trained: Path, tmp_path: Path, line: str, sentence: str):
    printed = export(trained, *line.split(), f"output={tmp_path}/folder/out")
    assert printed.startswith("error: ")
    assert sentence in printed
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_nothing_is_overwritten(trained: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    printed = export(trained, "run=one", f"output={tmp_path}/out", "verify=0")
    assert printed == f"error: output={tmp_path}/out: there are files already; give a new folder, or delete them"
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_to_a_bucket_and_scored_from_there(trained: Path, gcs: Gcs, gcs_folder: str, tmp_path: Path):
    assert gcs is not None
    export(trained, "run=two", f"output={gcs_folder}/out", "verify=0")
    names = storage.files(f"{gcs_folder}/out")
    assert {"submission.zip", "model_card.md", "saved_model/saved_model.pb"} <= set(names)
    for model in ("saved_model", "submission.zip"):
        settings = [f"model={gcs_folder}/out/{model}", "prepared=data/folder", "gallery=0", f"cache={tmp_path}/{model}"]
        assert "map_at_100" in here("evaluate", *settings, "study=bucket", cwd=trained)
