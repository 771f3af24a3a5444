"""`python -m glr.ensemble`: score a concatenation of runs' descriptors, or find the best concatenation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from glr.config.command import command
from glr.config.printing import say
from glr.config.usages import headline, metric_name, scored_usages
from glr.ensemble.settings import check_given, check_weights
from glr.ensemble.tried import as_csv, listing, weighted
from glr.errors import GlrError
from glr.retrieval.scores import Scored, table

if TYPE_CHECKING:
    from pyarrow import Table

    from glr.ensemble.combining import Choice
    from glr.ensemble.ensemble import Ensemble
    from glr.retrieval.landmarks import LandmarkTask
    from glr.tracking.run import Run

_ROUNDING = 1e-6


@command("ensemble")
def main(config: DictConfig) -> Scored:
    """Join the members, or the best of them, score them and log the scores as a run of kind ensemble."""
    _check(config)
    from glr.devices.startup import import_tensorflow

    import_tensorflow()
    from glr.ensemble.ensemble import Ensemble
    from glr.ensemble.members import named
    from glr.retrieval.joint import described

    score = config.score.value
    runs = named(config.tracking.uri, config.study, list(config.members))
    members, task = described(runs, neighbors=config.neighbors)
    candidates = ensemble = Ensemble(runs, members, list(config.weights or [1.0] * len(runs)))
    tried: list[Choice] = []
    if config.ensemble.search is not None:
        tried = _search(config, candidates, task)
        ensemble = candidates.chosen(tried[0].members, tried[0].weights)
    scores, ranking = ensemble.scores(task, memory=config.memory)
    metric = metric_name(scored_usages(scores, score)[0], score)
    if tried:
        say(listing(tried, candidates.names, metric))
    result = scores, task.outcomes(ranking)
    opened = _record(config, ensemble, result, candidates.names, tried)
    print(table({"": scores}))
    if tried and abs(tried[0].score - scores[metric]) > _ROUNDING:
        print(f"the search saw {tried[0].score:.5f}: raise ensemble.depth to let it see more of the index")
    joint = f"{weighted(ensemble.names, ensemble.weights)} of {ensemble.dimension:,} dimensions"
    say(f"\nensemble {joint} in study {config.study} ({opened.id})")
    say(f"compare runs: {opened.pages}")
    return Scored(scores[metric], {"": scores}, opened.id, opened.name, config.study, opened.pages)


def _check(config: DictConfig) -> None:
    """Refuse settings that contradict each other."""
    if config.ensemble.search is None and not config.members:
        raise GlrError(
            "members: give at least one run, such as [9,15], or choose from the study with ensemble.search=greedy"
        )
    if config.weights is not None and config.ensemble.search is not None:
        raise GlrError("weights belong to given members; a search tries ensemble.weights")
    check_given(config.members, config.weights)
    if not config.ensemble.weights:
        raise GlrError("ensemble.weights: give at least one weight, as [1.0]")
    check_weights("ensemble.weights", config.ensemble.weights)


def _search(config: DictConfig, candidates: "Ensemble", task: "LandmarkTask") -> "list[Choice]":
    """Try ensembles of the candidates; the best comes first."""
    from glr.ensemble.search import EnsembleLimits, search

    wanted = config.ensemble
    return search(
        candidates.members,
        task,
        config.score.value,
        method=wanted.search.value,
        limits=EnsembleLimits(wanted.max_members, wanted.max_dimension),
        weights=list(wanted.weights),
        depth=wanted.depth,
        memory=config.memory,
    )


def _record(
    config: DictConfig,
    ensemble: "Ensemble",
    result: "tuple[dict[str, float], Table]",
    candidates: Sequence[str],
    tried: "Sequence[Choice]",
) -> "Run":
    """Log the ensemble as a finished run."""
    from glr.retrieval import outcomes
    from glr.storage.temporary import temporary_folder
    from glr.tracking.entries import StudyPage
    from glr.tracking.run import run as record

    (scores, of_queries), score, names = result, config.score.value, ensemble.names
    metric = metric_name(scored_usages(scores, score)[0], score)
    with record(
        config.tracking, config.study, config.name or f"ensemble {' + '.join(names)}", kind="ensemble"
    ) as opened:
        logged = config.copy()
        logged.members, logged.weights = [run.id for run in ensemble.runs], list(ensemble.weights)
        opened.provenance(logged, {})
        opened.params({"names": names, "dimension": ensemble.dimension, "candidates": candidates})
        opened.metrics(scores | headline(scores, score), 0)
        with temporary_folder() as folder:
            opened.file(
                outcomes.save(of_queries, folder, {"members": list(logged.members), "weights": list(logged.weights)})
            )
        if tried:
            opened.text(as_csv(tried, candidates, metric), "search.csv")
        opened.record(StudyPage("", {}))
    return opened


if __name__ == "__main__":
    main()
