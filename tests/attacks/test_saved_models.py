"""A stranger's SavedModel may only compute descriptors, unless the user trusts it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from glr.errors import GlrError
from glr.model.operations import refused
from glr.model.saved_model import SavedModel

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


def debugged(name: str, **inputs: object) -> Effect:
    """An operation that writes what it sees to debug_urls; the two kinds that older TensorFlow has, and its heirs."""
    return lambda path: getattr(tf.raw_ops, name)(debug_urls=[f"file://{path}"], **{"input": tf.ones(3)} | inputs)


def table(path: tf.Tensor | str) -> tf.Tensor:
    handle = tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.string)
    done = tf.raw_ops.InitializeTableFromTextFileV2(table_handle=handle, filename=path, key_index=-1, value_index=-2)
    with tf.control_dependencies([done]):
        return tf.raw_ops.LookupTableFindV2(table_handle=handle, keys=tf.constant([0], tf.int64), default_value="")


def remapped(path: str) -> None:
    tf.raw_ops.GenerateVocabRemapping(new_vocab_file=path, old_vocab_file=path, new_vocab_offset=0, num_new_vocab=1)


def restored(path: tf.Tensor | str) -> None:
    tf.raw_ops.RestoreV2(prefix=path, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])


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
    (debugged("DebugIdentity"), "signature", "DebugIdentity"),
    (debugged("DebugNanCount"), "signature", "DebugNanCount"),
    (debugged("DebugNumericSummary"), "branch", "DebugNumericSummary"),
    (table, "function", "InitializeTableFromTextFileV2"),
    (lambda path: table(tf.identity(tf.strings.join([path, ""]))), "signature", "InitializeTableFromTextFileV2"),
    (remapped, "signature", "GenerateVocabRemapping"),
    (restored, "branch", "RestoreV2"),
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


READS = "InitializeTableFromTextFileV2"


@tf.function
def below(path: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.strings.length(table(path)), tf.float32)


class Reader(tf.Module):
    """Reads a file of its own, which is an asset, in the function below its signature."""

    def __init__(self, file: Path):
        self.asset = tf.saved_model.Asset(str(file))
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer([0], [1.0], tf.int64, tf.float32), 0.0, experimental_is_anonymous=True
        )
        self.size = tf.Variable([1.0, 2.0, 3.0], shape=[None])
        self.random = tf.random.Generator.from_seed(1)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8, "input_image")])
    def describe(self, input_image: tf.Tensor) -> dict[str, tf.Tensor]:
        mean = tf.reduce_mean(tf.cast(input_image, tf.float32), [0, 1])
        mean += self.table.lookup(tf.constant([0], tf.int64)) * below(self.asset.asset_path)
        return {"global_descriptor": mean + 0 * self.random.normal([3]) + 0 * tf.cast(tf.shape(self.size), tf.float32)}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    (folder / "words.txt").write_text("abc")
    model = Reader(folder / "words.txt")
    tf.saved_model.save(model, str(folder / "model"), signatures={"serving_default": model.describe})
    return folder / "model"


def test_a_model_may_read_its_own_files(reader: Path):
    assert refused(reader) == []
    np.testing.assert_allclose(SavedModel(reader)(IMAGE), np.ones(3) / 3**0.5, rtol=1e-6)


def asset(graph: Any) -> Any:
    return next(node for node in graph.object_graph_def.nodes if node.WhichOneof("kind") == "asset")


def functions(graph: Any) -> list[Any]:
    return list(graph.graph_def.library.function)


def elsewhere(graph: Any) -> None:
    graph.asset_file_def[0].filename = "../../words.txt"


def absolute(graph: Any) -> None:
    graph.asset_file_def[0].filename = "/etc/passwd"


def remote(graph: Any) -> None:
    graph.asset_file_def[0].filename = "gs://bucket/file"


def replaced(graph: Any) -> None:
    asset(graph).children.add(node_id=0, local_name="_path")


def no_asset(graph: Any) -> None:
    asset(graph).constant.operation = "Const"


def constant_below(graph: Any) -> None:
    """The signature gives the function that reads a constant in place of the asset."""
    for function in functions(graph):
        path = next((node for node in function.node_def if node.op == READS), None)
        if path is not None:
            path.input[1] = "constant:output:0"
            node = function.node_def.add(name="constant", op="Const")
            node.attr["dtype"].type = tf.string.as_datatype_enum
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("/etc/passwd"))


def without_objects(graph: Any) -> None:
    """In TensorFlow 1 only the signature can use its constants."""
    graph.ClearField("object_graph_def")


def handed_on(graph: Any) -> None:
    """Pass the function that reads files to another function, which may call it with any path."""
    for function in functions(graph):
        for node in function.node_def:
            if node.op.endswith("PartitionedCall") and "below" in node.attr["f"].func.name:
                node.attr["g"].func.name = node.attr["f"].func.name


@pytest.mark.parametrize(
    "change", [elsewhere, absolute, remote, replaced, no_asset, constant_below, without_objects, handed_on]
)
def test_a_path_that_only_looks_like_that_of_an_own_file(reader: Path, tmp_path: Path, change: Callable[[Any], None]):
    folder = Path(shutil.copytree(reader, tmp_path / "model"))
    rewrite(folder, change)
    with pytest.raises(GlrError, match=r"does more than compute \(InitializeTableFromTextFileV2\)"):
        SavedModel(folder)


def rewrite(folder: Path, change: Callable[[Any], None]) -> None:
    model: Any = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    change(model.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())


def test_an_asset_that_is_a_link_to_somewhere_else(reader: Path, tmp_path: Path):
    folder = Path(shutil.copytree(reader, tmp_path / "model"))
    (file := folder / "assets/words.txt").unlink()
    file.symlink_to("/etc/passwd")
    assert refused(folder) == [READS]


def test_a_function_that_takes_the_name_of_an_operation(reader: Path, tmp_path: Path):
    folder = Path(shutil.copytree(reader, tmp_path / "model"))
    rewrite(folder, lambda graph: setattr(functions(graph)[0].signature, "name", "Identity"))
    assert "Identity" in refused(folder)


def test_urls_that_a_caller_fills_in(tmp_path: Path):
    folder = saved(tmp_path, debugged("DebugNanCount"), "function")

    def change(graph: Any) -> None:
        for function in functions(graph):
            for node in function.node_def:
                if node.op == "DebugNanCount":
                    node.attr["debug_urls"].placeholder = "urls"

    rewrite(folder, change)
    assert refused(folder) == ["DebugNanCount"]


def test_a_function_that_is_given_to_one_that_is_given(tmp_path: Path):
    folder = saved(tmp_path, write, "function")

    def change(graph: Any) -> None:
        for function in functions(graph):
            for node in function.node_def:
                if "below" in (name := node.attr["f"].func.name):
                    node.attr["f"].func.name = "another"
                    node.attr["f"].func.attr["g"].func.name = name

    rewrite(folder, change)
    assert refused(folder) == ["WriteFile"]
