"""`python -m glr.predict`: write Kaggle's prediction file of a model for a set of index images and queries."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from glr import storage
from glr.config.command import command
from glr.config.printing import say
from glr.config.values import TaskName
from glr.data.predictions import refuse_spaces, write_classes, write_rankings
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.model.choice import check_images, check_model

if TYPE_CHECKING:
    import pandas as pd

    from glr.retrieval.sets import PredictionSet
    from glr.retrieval.task import Ranking
    from glr.retrieval.trained import TrainedModel


@dataclass(frozen=True)
class Predicted:
    """The result of `glr.run("predict", ...)`.

    Attributes:
        output: the written file.
    """

    output: str

    @property
    def table(self) -> "pd.DataFrame":
        """The file's rows."""
        import pandas as pd

        return pd.read_csv(self.output, dtype=str, keep_default_na=False)


@command("predict")
def main(config: DictConfig) -> Predicted:
    """Describe the images, rank the index for each query, and write the predictions."""
    _check(config)
    from glr.devices.startup import import_tensorflow

    import_tensorflow()
    from glr.retrieval.trained import opened

    model = opened(config)
    given = _opened_set(config, model)
    _check_names(config, given)
    say(f"{model.name}: {len(given.index):,} index images, {len(given.query):,} queries of {given.path}")
    _write(config, model, given, _ranking(config, model, given))
    say(f"{config.output}: {config.task.value} of {len(given.query):,} queries")
    return Predicted(config.output)


def _ranking(config: DictConfig, model: "TrainedModel", given: "PredictionSet") -> "Ranking":
    """Rank the index for each query, after the chosen steps."""
    from glr.config.component import build
    from glr.postprocess.described import Description
    from glr.postprocess.reranking import Unranked
    from glr.retrieval.landmarks import K
    from glr.retrieval.task import ranked
    from glr.storage.temporary import temporary_folder

    description, rerank = Description(config, model), build(config.reranking)
    before = description.of_set(given)
    with temporary_folder() as folder:
        index, query = description.processed(*before, folder)
        ranks = K if config.task == TaskName.retrieval else model.classified_by(config.neighbors)
        applied = None if isinstance(rerank, Unranked) else rerank
        return ranked(index, query, ranks, memory=config.memory, rerank=applied)


def _write(config: DictConfig, model: "TrainedModel", given: "PredictionSet", ranking: "Ranking") -> None:
    from glr.retrieval.landmarks import K, classify

    if config.task == TaskName.recognition:
        predicted = classify(ranking, given.classes, model.classified_by(config.neighbors))
        write_classes(config.output, {query: (str(name), total) for query, (name, total) in predicted.items()})
        return
    rows = zip(ranking.query_ids, ranking.positions[:, :K].tolist(), strict=True)
    write_rankings(config.output, {query: [ranking.index_ids[place] for place in row] for query, row in rows})


def _opened_set(config: DictConfig, model: "TrainedModel") -> "PredictionSet":
    from glr.retrieval import sets

    if config.index is not None:
        return sets.unsolved_pair(config.index, config.queries, config.index_classes)
    if config.prepared is not None:
        return sets.unsolved(PreparedData(config.prepared))
    assert model.data
    return sets.unsolved(model.data())


def _check(config: DictConfig) -> None:
    """Refuse settings that contradict each other."""
    check_model(config)
    given = check_images(config, ({"prepared": "FOLDER"}, {"index": "FOLDER", "queries": "FOLDER"}))
    if config.index_classes is not None and given != ["index", "queries"]:
        raise GlrError("index_classes belongs to index=FOLDER queries=FOLDER; a prepared set has its own")
    storage.check_writable(config.output)


def _check_names(config: DictConfig, given: "PredictionSet") -> None:
    """Refuse, before an image is described, names that the file cannot hold."""
    if config.task == TaskName.retrieval:
        refuse_spaces(config.output, given.ids, "image")
    elif given.classes:
        refuse_spaces(config.output, given.classes.values(), "class")
    else:
        raise GlrError("task=recognition: the index images have no classes; give index_classes=FILE, id,landmark_id")


if __name__ == "__main__":
    main()
