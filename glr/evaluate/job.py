"""An evaluation job: a model describes a set; the descriptors are post-processed, scored and recorded."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from glr import storage
from glr.config.component import build
from glr.config.identity import EVALUATION, RESULT_VERSION
from glr.data.opening import open_stored
from glr.data.pictures import FirstPictures, Pictures, StoredPictures
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.evaluate.steps import States, Steps, lowered
from glr.model import saved_model
from glr.model.loading import load_model, read_config
from glr.model.saved_model import SavedModel
from glr.postprocess.chain import postprocessed
from glr.postprocess.reranking import Unranked
from glr.postprocess.whitening import Unwhitened
from glr.report.report import report
from glr.retrieval import outcomes, sets
from glr.retrieval.descriptors import Descriptors, save
from glr.retrieval.extraction import Describer, Extractor, extract
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.sets import EvaluationSet
from glr.retrieval.task import Task
from glr.storage.lock import held
from glr.storage.temporary import temporary_folder
from glr.tracking.history import WEIGHTS, find
from glr.tracking.recorder import Recorder
from glr.tracking.store import connect


@dataclass(frozen=True)
class Subject:
    """A model to evaluate.

    Attributes:
        name: the name that messages show.
        study: the study that records its scores.
        run_id: id of the evaluation's parent run; None for a SavedModel.
        describer: the model.
        fingerprint: identifies the model in the cache of descriptors.
        neighbors: number of index images that classified a query in the run's own evaluations.
        data: opens the data set that the model was trained on; None for a SavedModel.
    """

    name: str
    study: str
    run_id: str | None
    describer: Describer
    fingerprint: Sequence[object]
    neighbors: int
    data: Callable[[], PreparedData] | None


def run_subject(config: DictConfig) -> Subject:
    """Open the model of a past run.

    Raises:
        GlrError: there is no such run, or it stored no weights.
    """
    run = find(connect(config.tracking.uri), config.run)
    if "classes" not in run.params:
        raise GlrError(f"run={config.run}: it trained no model that could be evaluated (it is of kind {run.kind})")
    weights = run.stored(WEIGHTS.format(config.checkpoint.value))
    settings = read_config(run.stored("config.yaml"), config.trust, f"run {run.name}")
    views = build(config.tta)
    strategy = build(config.strategy)
    with strategy.scope():
        model = load_model(settings, int(run.params["classes"]), weights, any_size=views.any_size)
    viewed = views.of(model, settings.data.image_size)
    return Subject(
        run.name,
        run.study,
        run.id,
        Extractor(viewed, strategy, config.batch_size),
        [run.id, storage.checksum(weights), views.scales, views.flip],
        settings.evaluate.gap.neighbors,
        lambda: open_stored(settings.data, Path(config.cache, "data")),
    )


def saved_model_subject(config: DictConfig, stack: ExitStack) -> Subject:
    """Open a SavedModel; closing the stack deletes its copy on this disk.

    Raises:
        GlrError: the model does not exist, has another signature, or does more than compute and is not trusted.
    """
    folder = stack.enter_context(saved_model.on_disk(config.model, config.max_model_gb))
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    fingerprint: list[object] = [[file.relative_to(folder).as_posix(), storage.checksum(file)] for file in files]
    name = Path(config.model.rstrip("/")).name
    scales = list(config.tta.scales)
    fingerprint += [] if scales == [1.0] else [scales]
    model = SavedModel(folder, trusted="saved_model" in config.trust, scales=scales)
    return Subject(name, config.study, None, model, fingerprint, 1, None)


def opened_set(config: DictConfig, subject: Subject) -> EvaluationSet:
    """Open the set that a config names.

    Raises:
        GlrError: the set is missing or damaged.
    """
    neighbors = subject.neighbors if config.neighbors is None else config.neighbors
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
    assert subject.data
    return sets.prepared(subject.data(), neighbors=neighbors)


def evaluate(config: DictConfig, subject: Subject, scored: EvaluationSet, run: Recorder) -> dict[str, dict[str, float]]:
    """Describe, post-process, rank and score; record scores, gallery and plots; return the metrics after each step.

    Raises:
        GlrError: an image cannot be decoded, or images and solutions do not fit together.
    """
    if config.keep_descriptors and not isinstance(scored.task, LandmarkTask):
        raise GlrError("keep_descriptors: ensembles are scored by solution CSVs, which this set does not have")

    trained_on = subject.data or (config.prepared and (lambda: PreparedData(config.prepared)))
    whitening = build(config.whitening)
    if trained_on is None and not isinstance(whitening, Unwhitened):
        raise GlrError("whitening is learned on a train set: a SavedModel has none, give prepared=FOLDER")

    def described(pictures: Pictures, name: str, digest: str) -> Descriptors:
        dtype = config.descriptors.value
        key = [RESULT_VERSION, subject.fingerprint, subject.describer.image_size, digest, name, len(pictures), dtype]
        with _held(Path(config.cache), key) as folder:
            return extract(subject.describer, pictures, folder, name, parallelism=config.parallelism, dtype=dtype)

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
            title = f"{subject.name} on {scored.path}"
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
