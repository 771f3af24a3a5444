"""`python -m glr.ensemble`: score a concatenation of runs' descriptors, or find the best one."""

import csv
import tempfile
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from glr.config.command import command
from glr.errors import GlrError

if TYPE_CHECKING:
    from glr.retrieval.ensemble import Choice

_SHOWN = 10
_ROUNDING = 1e-6


@command("ensemble")
def main(config: DictConfig) -> None:
    """Join the members, or the best of them, score them and log the scores as a run of kind ensemble."""
    _check(config)
    from glr.startup import import_tensorflow

    import_tensorflow()
    from glr.ensembling.members import described, named
    from glr.ensembling.search import Limits, search
    from glr.retrieval.ensemble import joined
    from glr.retrieval.evaluation import evaluate
    from glr.retrieval.landmarks import headline
    from glr.retrieval.table import table
    from glr.tracking.run import run as record

    wanted, score = config.ensemble, config.score.value
    runs = named(config.tracking.uri, config.study, list(config.members))
    members, task = described(runs, neighbors=config.neighbors)
    weights, tried = list(config.weights or [1.0] * len(runs)), []
    candidates = [run.name for run in runs]
    if wanted.search is not None:
        tried = search(
            members,
            task,
            score,
            method=wanted.search.value,
            limits=Limits(wanted.max_members, wanted.max_dimension),
            weights=list(wanted.weights),
            depth=wanted.depth,
            memory=config.memory,
        )
        print(f"{len(tried):,} ensembles of {len(runs)} runs tried; the best by public {score}:")
        for choice in tried[:_SHOWN]:
            print(f"  {choice.score:.5f}  {_shown([candidates[n] for n in choice.members], choice.weights)}")
        best = sorted(zip(tried[0].members, tried[0].weights, strict=True))  # as in the table
        runs, members = ([column[position] for position, _ in best] for column in (runs, members))
        weights = [weight for _, weight in best]
    names = [run.name for run in runs]
    dimension = sum(member.dimension for member in members)
    with (
        tempfile.TemporaryDirectory(prefix="glr-") as temporary,
        record(
            config.tracking, config.study, config.name or f"ensemble {' + '.join(names)}", kind="ensemble"
        ) as opened,
    ):
        folder, logged = Path(temporary), config.copy()
        logged.members, logged.weights = [run.id for run in runs], weights
        opened.provenance(logged, {})
        opened.params({"names": names, "dimension": dimension, "candidates": candidates})
        index = joined([member.index for member in members], weights, folder / "index.npy")
        query = joined([member.query for member in members], weights, folder / "query.npy")
        scores, _ = evaluate(task, index, query, memory=config.memory)
        opened.metrics(scores | headline(scores, score), 0)
        if tried:
            _write(folder / "search.csv", tried, candidates, score)
            opened.file(folder / "search.csv")
    print(table({"": scores}))
    if tried and abs(tried[0].score - scores[f"public/{score}"]) > _ROUNDING:
        print(f"the search saw {tried[0].score:.5f}: raise ensemble.depth to have it see more of the index")
    print(f"\nensemble {_shown(names, weights)} of {dimension:,} dimensions in study {config.study} ({opened.id})")
    print(f"compare runs: {opened.pages}")


def _check(config: DictConfig) -> None:
    """Refuse settings that contradict each other."""
    if config.ensemble.search is None and not config.members:
        raise GlrError("members: give at least one run, as [9,15]; or ensemble.search=greedy to choose from the study")
    if config.weights is not None:
        if config.ensemble.search is not None:
            raise GlrError("weights are of given members; a search tries ensemble.weights")
        if len(config.weights) != len(config.members):
            raise GlrError(f"weights: {len(config.weights)} for {len(config.members)} members; give one for each")
    for key, weights in (("weights", config.weights or []), ("ensemble.weights", config.ensemble.weights)):
        if any(not 0 < weight < inf for weight in weights):
            raise GlrError(f"{key}={list(weights)}: weights are above 0")
    if not config.ensemble.weights:
        raise GlrError("ensemble.weights: give at least one weight, as [1.0]")
    for member in config.members:
        if isinstance(member, bool) or not isinstance(member, int | str):
            raise GlrError(f"members: {member} is no table index, name or id")


def _shown(names: Sequence[str], weights: Sequence[float]) -> str:
    equal = len(set(weights)) == 1
    return " + ".join(name if equal else f"{weight:g} x {name}" for name, weight in zip(names, weights, strict=True))


def _write(file: Path, tried: "list[Choice]", names: Sequence[str], score: str) -> None:
    """Write all ensembles that were tried, as a CSV."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow([f"public/{score}", "members", "weights"])
        for choice in tried:
            members = "; ".join(names[n] for n in choice.members)
            writer.writerow([choice.score, members, "; ".join(f"{weight:g}" for weight in choice.weights)])


if __name__ == "__main__":
    main()
