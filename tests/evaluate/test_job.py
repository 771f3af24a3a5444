"""An evaluation computes descriptors and scores, keeps them, and computes nothing twice."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.model.loading import load_model, read_config
from glr.retrieval.descriptors import load
from glr.retrieval.extraction import Extractor
from glr.retrieval.revisited import read_ground_truth, revisited_metrics
from tests.conftest import here
from tests.evaluate.by_hand import metrics
from tests.evaluate.conftest import of_pair
from tests.evaluate.test_evaluate import evaluate, named, runs, scores


def test_what_is_described_is_kept_for_ensembles_and_not_described_again(
    trained: Path, monkeypatch: pytest.MonkeyPatch
):
    assert "map_at_100" in evaluate(trained, "run=one", "gallery=0", "tta=flip", "keep_descriptors=true")
    first = runs(trained)[0]
    printed = here("ensemble", "study=pair", f"members=[{first.info.run_id},two]", cwd=trained)
    assert "ensemble evaluate one tta=flip + two of 40 dimensions" in printed
    monkeypatch.setattr(Extractor, "describe", lambda *_: pytest.fail("it was described already"))
    for choice in ("query_expansion=alpha", "database_augmentation=alpha", "reranking=k_reciprocal"):
        assert "map_at_100" in evaluate(trained, "run=one", "gallery=0", "tta=flip", choice)
        newest = runs(trained)[0]
        assert newest.data.params[choice.split("=")[0]] == choice.split("=")[1]
        assert scores(newest) != scores(first)


class Images(NamedTuple):
    """The run's images, at the size of its model and at a larger one: uint8 [n, S, S, 3] by split."""

    own: dict[str, np.ndarray]
    large: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def images(trained: Path) -> Images:
    data = PreparedData(trained / "data/folder")

    def decoded(split: str, size: int) -> np.ndarray:
        loaded = batches(StoredPictures(data, split), image_size=size, batch_size=99, parallelism=1)
        return np.concatenate([pixels for _, pixels in loaded])

    return Images(*({split: decoded(split, size) for split in ("train", "index", "query")} for size in (24, 34)))


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


Describe = Callable[[Any], np.ndarray]


def mirrored(describe: Describe, images: Images, split: str) -> np.ndarray:
    return describe(images.own[split]) + describe(images.own[split][:, :, ::-1])


def scaled(describe: Describe, images: Images, split: str) -> np.ndarray:
    """Sides of 34 pixels, and of 24 and 17 made from them."""
    large = tf.cast(images.large[split], tf.float32)
    smaller = [describe(tf.image.resize(large, (side, side), antialias=True)) for side in (24, 17)]
    return describe(images.large[split]) + sum(smaller)


def whitened(describe: Describe, images: Images, split: str) -> np.ndarray:
    train = describe(images.own["train"]).astype(float)
    variances, axes = np.linalg.eigh(np.cov(train.T, bias=True))
    return (describe(images.own[split]) - train.mean(0)) @ (axes / np.sqrt(np.abs(variances)))[:, -8:]


def plain(describe: Describe, images: Images, split: str) -> np.ndarray:
    return describe(images.own[split])


CHOICES = {"tta=flip": mirrored, "tta=multi_scale": scaled, "whitening=pca": whitened, "checkpoint=best": plain}
CHOICES |= {"descriptors=float16": plain}


@pytest.mark.parametrize("choice", CHOICES)
def test_choices_of_describing(trained: Path, images: Images, choice: str):
    """Compare with a model that is built here and has the run's weights."""
    more = ["whitening.dimension=8"] if choice.startswith("whitening") else []
    evaluate(trained, "run=two", "gallery=0", "neighbors=1", "keep_descriptors=true", choice, *more)
    newest, run = runs(trained)[0], named(trained, "two")
    assert newest.info.status == "FINISHED"
    assert newest.data.params["dimension"] == ("8" if more else "24")
    stored = trained / "mlruns/artifacts" / run.info.run_id / "artifacts"
    weights = stored / f"weights/{'best' if choice == 'checkpoint=best' else 'last'}.weights.h5"
    model = load_model(read_config(stored / "config.yaml"), int(run.data.params["classes"]), weights, any_size=True)
    index, query = (
        unit(CHOICES[choice](lambda pixels: model.describe(tf.constant(pixels)).numpy(), images, split))
        for split in ("index", "query")
    )
    kept = trained / "mlruns/artifacts" / newest.info.run_id / "artifacts/descriptors"
    values = [load(kept, split).values for split in ("query", "index")]
    assert {v.dtype for v in values} == {np.dtype("float16" if choice == "descriptors=float16" else "float32")}
    cosines = values[0].astype(np.float32) @ values[1].astype(np.float32).T
    np.testing.assert_allclose(cosines, query @ index.T, atol=2e-3 if choice == "descriptors=float16" else 1e-4)
    expected = metrics(kept)
    assert {name: newest.data.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_folders_score_as_the_prepared_set_of_the_same_images(trained: Path, pair: tuple[Path, dict]):
    evaluate(trained, "run=two", *of_pair(pair[0]))
    assert scores(runs(trained)[0]) == pytest.approx(scores(named(trained, "two")))
    evaluate(trained, "run=two", "gallery=0", *of_pair(pair[0])[:2], of_pair(pair[0])[3])
    assert not any("gap" in name for name in runs(trained)[0].data.metrics)


def test_revisited(trained: Path, pair: tuple[Path, dict], tmp_path: Path):
    images = pair[1]
    for content in images.values():
        for name, encoded in content.items():
            (tmp_path / f"{name}.jpg").write_bytes(encoded)
    index, queries = sorted(images["index"]), sorted(images["queries"])
    gnd = []
    for query in queries:
        same = [n for n, name in enumerate(index) if name.split("_")[0] == query.split("_")[0]]
        gnd.append({"bbx": [2.0, 1.0, 38.0, 29.0], "easy": same[:2], "hard": same[2:5], "junk": same[5:]})
    truth = tmp_path / "gnd_roxford5k.pkl"
    truth.write_bytes(pickle.dumps({"imlist": index, "qimlist": queries, "gnd": gnd}, protocol=2))
    cache = tmp_path / "cache"
    printed = evaluate(trained, "run=two", f"revisited={truth}", f"images={tmp_path}", f"cache={cache}")
    assert "Easy      Medium        Hard" in printed
    indexed, queried = (load(next(cache.glob(f"*/{name}_ids.txt")).parent, name) for name in ("index", "query"))
    assert (indexed.ids, queried.ids) == (index, queries)
    positions = np.argsort(-(queried.values @ indexed.values.T), axis=1, kind="stable")
    expected = revisited_metrics(read_ground_truth(truth), positions)
    metrics = runs(trained)[0].data.metrics
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    (tmp_path / f"{index[3]}.jpg").unlink()
    again = evaluate(trained, "run=two", f"revisited={truth}", f"images={tmp_path}")
    assert f"are not in {tmp_path}: 1, the first of them {index[3]}.jpg" in again
