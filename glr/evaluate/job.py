"""An evaluation job: a model describes a set; the descriptors are post-processed, scored and recorded."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr.config.component import build
from glr.config.identity import EVALUATION
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.evaluate.steps import States, Steps, lowered
from glr.postprocess.described import Description
from glr.postprocess.reranking import Unranked
from glr.report.report import report
from glr.retrieval import outcomes, sets
from glr.retrieval.descriptors import Descriptors, save
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.sets import EvaluationSet
from glr.retrieval.trained import TrainedModel
from glr.storage.temporary import temporary_folder
from glr.tracking.recorder import Recorder


def opened_set(config: DictConfig, model: TrainedModel) -> EvaluationSet:
    """Open the set that a config names.

    Raises:
        GlrError: the set is missing or damaged.
    """
    neighbors = model.classified_by(config.neighbors)
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

    description = Description(config, model)
    with temporary_folder() as folder:
        before = description.of_set(scored)
        steps, rerank = Steps(scored.task, config.memory), build(config.reranking)
        steps("", *before)
        index, query = description.processed(*before, folder, after=steps)
        if not isinstance(rerank, Unranked):
            steps("reranking", index, query, rerank)
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
