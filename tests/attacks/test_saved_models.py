"""Somebody's SavedModel computes descriptors and does nothing else, unless the user trusts it."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glr.errors import GlrError
from glr.model.operations import refused
from glr.model.saved_model import SavedModel, on_disk

IMAGE = np.ones((2, 2, 3), np.uint8)
Effect = Callable[[str], tf.Tensor | tf.Operation | None]


def write(path: str) -> None:
    tf.io.write_file(path, "x")


def save_tensors(path: str) -> None:
    tf.raw_ops.SaveV2(prefix=path, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant(1.0)])


def cached(path: str) -> None:
    for _ in tf.data.Dataset.range(2).cache(path):
        pass


def touched() -> np.float32:
    Path("called").touch()
    return np.float32(0)


def saved(folder: Path, effect: Effect, where: str) -> Path:
    """A SavedModel with an effect: in its signature, in a function or a branch below it, or as it is loaded."""
    target = str(folder / "called")

    @tf.function
    def below() -> tf.Tensor:
        effect(target)
        return tf.constant(0.0)

    def describe(input_image: tf.Tensor) -> dict[str, tf.Tensor]:
        mean = tf.reduce_mean(tf.cast(input_image, tf.float32), [0, 1])
        if where == "signature":
            effect(target)
        elif where == "function":
            mean += below()
        elif where == "branch":
            mean += tf.cond(mean[0] > 300, below, lambda: 0.0)
        return {"global_descriptor": mean}

    module = tf.Module()
    module.describe = tf.function(describe, [tf.TensorSpec([None, None, 3], tf.uint8, "input_image")])
    tf.saved_model.save(module, str(folder / "model"), signatures={"serving_default": module.describe})
    return folder / "model"


ATTACKS: list[tuple[Effect, str, str]] = [
    (write, "signature", "WriteFile"),
    (write, "function", "WriteFile"),
    (write, "branch", "WriteFile"),
    (save_tensors, "signature", "SaveV2"),
    (cached, "signature", "CacheDatasetV2"),
    (lambda path: tf.print("x", output_stream=f"file://{path}"), "signature", "PrintV2"),
    (lambda _: tf.py_function(touched, [], tf.float32), "signature", "EagerPyFunc"),
    (lambda _: tf.numpy_function(touched, [], tf.float32), "signature", "PyFunc"),
    (lambda _: tf.numpy_function(touched, [], tf.float32, stateful=False), "function", "PyFuncStateless"),
    (lambda _: tf.io.read_file("/dev/zero"), "signature", "ReadFile"),
    (lambda _: tf.io.matching_files("/*"), "signature", "MatchingFiles"),
    (lambda path: tf.raw_ops.DebugIdentityV2(input=1.0, debug_urls=[f"file://{path}"]), "function", "DebugIdentityV2"),
    (lambda path: tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=["x"], destination_prefix=path), "branch", "Merge"),
    (lambda _: tf.raw_ops.WholeFileReaderV2(), "function", "WholeFileReaderV2"),
]


@pytest.mark.parametrize(("effect", "where", "name"), ATTACKS, ids=[f"{name} {where}" for _, where, name in ATTACKS])
def test_a_model_that_does_more_than_compute(tmp_path: Path, effect: Effect, where: str, name: str):
    folder = saved(tmp_path, effect, where)
    (tmp_path / "called").unlink(missing_ok=True)
    with pytest.raises(GlrError, match=rf"does more than compute \(.*{name}.*\); if you trust it, add trust="):
        SavedModel(folder)
    assert not list(tmp_path.glob("called*"))


def test_a_model_that_writes_runs_if_it_is_trusted(tmp_path: Path):
    model = SavedModel(saved(tmp_path, write, "signature"), trusted=True)
    model(IMAGE)
    assert (tmp_path / "called").read_text() == "x"


def test_what_models_need_is_allowed(tmp_path: Path):
    (tmp_path / "words.txt").write_text("a\nb\n")

    class Model(tf.Module):
        def __init__(self):
            self.table = tf.lookup.StaticVocabularyTable(
                tf.lookup.TextFileInitializer(str(tmp_path / "words.txt"), tf.string, -2, tf.int64, -1), 1
            )
            self.weight = tf.Variable([1.0, 2.0, 3.0])
            self.calls = tf.Variable(0)

        @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8, "input_image")])
        def describe(self, input_image: tf.Tensor) -> dict[str, tf.Tensor]:
            self.calls.assign_add(1)
            total = tf.zeros(3)
            for row in tf.cast(input_image, tf.float32):
                total += tf.reduce_sum(row, 0) * self.weight
            tf.debugging.assert_all_finite(total, "finite")
            noise = 0 * tf.random.uniform([3]) + 0 * tf.cast(self.table.lookup(tf.constant(["a"])), tf.float32)
            return {"global_descriptor": total + noise}

    model = Model()
    tf.saved_model.save(model, str(tmp_path / "model"), signatures={"serving_default": model.describe})
    assert refused(tmp_path / "model") == []
    np.testing.assert_allclose(SavedModel(tmp_path / "model")(IMAGE), np.array([1, 2, 3]) / 14**0.5, rtol=1e-6)


def test_pieces_that_tensorflow_would_prefer_are_refused(tmp_path: Path):
    folder = saved(tmp_path, lambda _: None, "signature")
    assert refused(folder) == []
    shutil.copy(folder / "saved_model.pb", folder / "saved_model.cpb")
    with pytest.raises(GlrError, match=r"saved_model\.cpb, a model in pieces"):
        SavedModel(folder)


@pytest.mark.parametrize(
    ("names", "megabytes", "sentence"),
    [
        (["variables"], 50, "holds 1 files of 0.1 GB together; max_model_gb=0.02 and 10,000 files are the limits"),
        ([f"variables/{number}" for number in range(10_001)], 0, "holds 10,001 files of 0.0 GB together"),
        (["../called"], 0, "holds ../called, a path outside of the zip"),
        (["/called"], 0, "holds /called, a path outside of the zip"),
        (["a\\..\\called"], 0, "a path outside of the zip"),
    ],
    ids=["bomb", "files", "parent", "root", "backslashes"],
)
def test_a_zip_that_is_not_unpacked(tmp_path: Path, names: list[str], megabytes: int, sentence: str):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, bytes(megabytes * 10**6))
    (tmp_path / "x").mkdir()
    (tmp_path / "x/model.zip").write_bytes(content.getvalue())
    with pytest.raises(GlrError) as refusal, on_disk(str(tmp_path / "x/model.zip"), 0.02):
        pass
    assert sentence in str(refusal.value)
    assert not list(tmp_path.rglob("called"))
