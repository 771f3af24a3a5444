"""A weights file of another model: the parts that fit are taken, and one line names the others and why."""

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from glr.errors import GlrError
from glr.model.head.arcface import ArcFace, SubCenterArcFace
from glr.model.network import RetrievalModel
from glr.model.pooling import GeM
from glr.model.weights import load_parts, load_weights

CHANNELS = 6
COUNTS = {"backbone": "12 weights", "pooling": "1 weight", "embedding": "6 weights", "head": "2 weights"}
PARTS = ["backbone", "pooling", "embedding", "head"]


def made(*, seed: int, blocks: int = 2, classes: int = 5, size: int = CHANNELS, gem: bool = True, centers: int = 1):
    """A model with random values in all its weights; every BatchNorm of the default has the same shape."""
    images = x = keras.Input((8, 8, 3))
    for block in range(blocks):
        x = keras.layers.Conv2D(CHANNELS, 3, padding="same", name=f"conv{block}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{block}")(x)
    head: Any = {"num_classes": classes, "scale": 16.0, "margin": 0.5}
    model = RetrievalModel(
        keras.Model(images, x),
        GeM(p=3.0, learnable=True, floor=1e-6) if gem else keras.layers.GlobalAveragePooling2D(),
        ArcFace(**head) if centers == 1 else SubCenterArcFace(**head, centers=centers),
        embedding_size=size,
        batchnorm_momentum=0.9,
        normalization="zero_one",
    )
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.uniform(0.1, 1, weight.shape))
    return model


def values(model: RetrievalModel) -> dict[str, list[np.ndarray]]:
    """The values of each part, read from its layers."""
    parts: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
    for layer in model.network.layers:
        name = layer.name
        part = "embedding" if "embedding" in name else "pooling" if isinstance(layer, GeM) else "backbone"
        parts[part] += [np.array(weight) for weight in layer.weights]
    return parts | {"head": [np.array(weight) for weight in model.head.weights]}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[RetrievalModel, Path]:
    model, file = made(seed=1), tmp_path_factory.mktemp("source") / "x.weights.h5"
    model.save_weights(file)
    return model, file


@pytest.mark.parametrize(
    ("other", "left"),
    [
        ({}, {}),
        ({"classes": 9}, {"head": "trained with 5 classes, this set has 9"}),
        ({"classes": 9, "centers": 2}, {"head": "head has the shape [6, 5], in this model [6, 18]"}),
        (
            {"size": 7},
            {
                "embedding": "trained with 6 dimensions, this model has 7",
                "head": "for embeddings of 6 dimensions, this model has 7",
            },
        ),
        ({"gem": False}, {}),
        ({"blocks": 1}, {"backbone": "another network"}),
        ({"blocks": 3}, {"backbone": "another network"}),
    ],
)
def test_what_fits_is_taken(source: tuple[RetrievalModel, Path], other: dict[str, int], left: dict[str, str]):
    model = made(seed=2, **other)
    before, theirs = values(model), values(source[0])
    line = load_parts(model, source[1])
    taken = [part for part in PARTS if part not in left and before[part]]
    assert line.partition("; left ")[0] == "took " + ", ".join(f"{p} ({COUNTS[p]})" for p in taken)
    assert line.partition("; left ")[2] == ", ".join(f"{part} ({reason})" for part, reason in left.items())
    for part, now in values(model).items():
        for value, expected in zip(now, before[part] if part in left else theirs[part], strict=False):
            np.testing.assert_array_equal(value, expected, err_msg=part)
    if left:
        fresh = made(seed=3, **other)
        with pytest.raises(GlrError) as refused:
            load_parts(fresh, source[1], strict=True)
        listed = ", ".join(f"{part} ({reason})" for part, reason in left.items())
        assert str(refused.value).startswith(f"{source[1]} does not hold weights of this model: {listed}; ")
        assert all(map(np.array_equal, values(fresh)["pooling"], values(made(seed=3, **other))["pooling"]))


def test_a_pooling_that_the_file_lacks_stays(tmp_path: Path):
    made(seed=1, gem=False).save_weights(tmp_path / "average.weights.h5")
    model = made(seed=2)
    line = load_parts(model, tmp_path / "average.weights.h5")
    assert line.endswith("; left pooling (the file has none)")
    assert values(model)["pooling"] == values(made(seed=2))["pooling"]
    np.testing.assert_array_equal(values(model)["backbone"][0], values(made(seed=1, gem=False))["backbone"][0])


def test_only_the_named_parts_are_taken(source: tuple[RetrievalModel, Path]):
    model = made(seed=2, classes=9)
    assert load_parts(model, source[1], ["backbone"], strict=True) == "took backbone (12 weights)"
    np.testing.assert_array_equal(values(model)["backbone"][0], values(source[0])["backbone"][0])
    np.testing.assert_array_equal(values(model)["embedding"][0], values(made(seed=2, classes=9))["embedding"][0])
    with pytest.raises(GlrError, match=r"head \(trained with 5 classes, this set has 9\)$"):
        load_parts(model, source[1], ["head"])  # nothing is left to take
    with pytest.raises(GlrError, match=r"^run base does not hold weights of this model: head"):
        load_parts(model, source[1], ["head"], name="run base")


def test_another_models_weights_in_one_sentence(source: tuple[RetrievalModel, Path]):
    with pytest.raises(GlrError, match=r"^\S+ does not hold .*: head \(trained with 5 classes, this set has 9\)$"):
        load_weights(made(seed=2, classes=9), source[1])
    load_weights(model := made(seed=2), source[1])
    for part, expected in values(source[0]).items():
        assert all(map(np.array_equal, values(model)[part], expected))


def test_an_array_in_another_file_is_refused(source: tuple[RetrievalModel, Path], tmp_path: Path):
    file = tmp_path / "forged.weights.h5"
    file.write_bytes(source[1].read_bytes())
    (tmp_path / "secret").write_bytes(bytes(1000))
    with h5py.File(file, "a") as opened:
        del opened["head/vars/0"]
        opened.create_dataset("head/vars/0", (6, 5), "float32", external=[(str(tmp_path / "secret"), 0, 120)])
    with pytest.raises(GlrError, match="head/vars/0 lies in another file"):
        load_parts(made(seed=2), file)
