"""An evaluation job: a model describes a set; the descriptors are post-processed, scored and recorded."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from glr.config.component import build
from glr.config.identity import EVALUATION, RESULT_VERSION
from glr.data.pictures import FirstPictures, Pictures, StoredPictures
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.evaluate.steps import States, Steps, lowered
from glr.postprocess.chain import postprocessed
from glr.postprocess.reranking import Unranked
from glr.postprocess.whitening import Unwhitened
from glr.report.report import report
from glr.retrieval import outcomes, sets
from glr.retrieval.descriptors import Descriptors, save
from glr.retrieval.extraction import extract
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.sets import EvaluationSet
from glr.retrieval.task import Task
from glr.retrieval.trained import TrainedModel
from glr.storage.lock import held
from glr.storage.temporary import temporary_folder
from glr.tracking.recorder import Recorder


def opened_set(config: DictConfig, model: TrainedModel) -> EvaluationSet:
    """Open the set that a config names.

    Raises:
        GlrError: the set is missing or damaged.
    """
    neighbors = model.neighbors if config.neighbors is None else config.neighbors
    if config.index is not None:
        return sets.folder_pair(
            config.index,
            config.queries,
            retrieval_solution=config.retrieval_solution,
            recognition_solution=config.recognition_solution,
            index_classes=config.index_classes,
            neighbors=neighbors,
        )
    if config.revisited is not None:
        return sets.revisited(config.revisited, config.images)
    if config.prepared is not None:
        return sets.prepared(PreparedData(config.prepared), neighbors=neighbors)
    assert model.data
    return sets.prepared(model.data(), neighbors=neighbors)


def evaluate(
    config: DictConfig, model: TrainedModel, scored: EvaluationSet, run: Recorder
) -> dict[str, dict[str, float]]:
    """Describe, post-process, rank and score; record scores, gallery and plots; return the metrics after each step.

    Raises:
        GlrError: an image cannot be decoded, or images and solutions do not fit together.
    """
    if config.keep_descriptors and not isinstance(scored.task, LandmarkTask):
        raise GlrError("keep_descriptors: ensembles are scored by solution CSVs, which this set does not have")

    trained_on = model.data or (config.prepared and (lambda: PreparedData(config.prepared)))
    whitening = build(config.whitening)
    if trained_on is None and not isinstance(whitening, Unwhitened):
        raise GlrError("whitening is learned on a train set: a SavedModel has none, give prepared=FOLDER")

    def described(pictures: Pictures, name: str, digest: str) -> Descriptors:
        dtype = config.descriptors.value
        key = [RESULT_VERSION, model.fingerprint, model.describer.image_size, digest, name, len(pictures), dtype]
        with _held(Path(config.cache), key) as folder:
            return extract(model.describer, pictures, folder, name, parallelism=config.parallelism, dtype=dtype)

    def train(images: int | None) -> np.ndarray:
        assert trained_on
        data = trained_on()
        return described(FirstPictures(StoredPictures(data, "train"), images), "train", data.digest).values

    with temporary_folder() as folder:
        before = described(scored.index, "index", scored.digest), described(scored.query, "query", scored.digest)
        steps, (index, query) = _steps(config, scored.task, before, whitening, train, folder)
        run.params({"dimension": index.values.shape[1]})
        _record(run, steps.metrics)
        run.file(outcomes.save(scored.task.outcomes(steps.ranking), folder, _settings(config, scored)))
        if config.gallery:
            title = f"{model.name} on {scored.path}"
            pictures = scored.index, scored.query
            for file in report(scored.task, steps.ranking, *pictures, title=title, each=config.gallery, folder=folder):
                run.file(file)
        if config.keep_descriptors and isinstance(scored.task, LandmarkTask):
            run.descriptors(_stored(folder / "descriptors", scored.task, index, query))
    return steps.metrics


def _steps(
    config: DictConfig,
    task: Task,
    before: tuple[Descriptors, Descriptors],
    whitening: Any,
    train: Callable[[int | None], np.ndarray],
    folder: Path,
) -> tuple[Steps, tuple[Descriptors, Descriptors]]:
    """Score index and queries after each step of post-processing; return the scores and the final descriptors."""
    steps, rerank = Steps(task, config.memory), build(config.reranking)
    steps("", *before)
    after = postprocessed(
        *before,
        whitening=whitening,
        database_augmentation=build(config.database_augmentation),
        query_expansion=build(config.query_expansion),
        train=train,
        folder=folder,
        memory=config.memory,
        after=steps,
    )
    if not isinstance(rerank, Unranked):
        steps("reranking", *after, rerank)
    return steps, after


def _record(run: Recorder, states: States) -> None:
    """Record the metrics, those before post-processing as `unprocessed/...`, and the steps that lower a score."""
    first, *others = states.values()
    if others:
        run.metrics({f"unprocessed/{name}": value for name, value in first.items()}, 0)
    run.metrics([first, *others][-1], 0)
    if steps := lowered(states):
        run.tags({"lowered_by": ", ".join(steps)})


def _settings(config: DictConfig, scored: EvaluationSet) -> dict[str, object]:
    """The set and the settings that each query's outcome depends on, besides the model."""
    written: Any = OmegaConf.to_container(
        OmegaConf.masked_copy(config, list(EVALUATION)), resolve=True, enum_to_str=True
    )
    return {"set": scored.digest, **written}


def _stored(folder: Path, task: LandmarkTask, index: Descriptors, query: Descriptors) -> Path:
    """Fill the folder with the descriptors and the solutions, and return it."""
    folder.mkdir()
    save(folder, "index", index)
    save(folder, "query", query)
    task.save(folder)
    return folder


@contextmanager
def _held(root: Path, key: Sequence[object]) -> Iterator[Path]:
    """Yield the folder for a key, locked against other processes."""
    folder = root / hashlib.blake2b(json.dumps(key).encode(), digest_size=10).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / ".lock"):
        yield folder
