"""`python -m glr.score`: the scores of predictions in Kaggle's format, without a model."""

import json
from collections.abc import Collection

from omegaconf import DictConfig

from glr import storage
from glr.config.command import command
from glr.errors import GlrError
from glr.retrieval.metrics import recognition_metrics, retrieval_metrics
from glr.retrieval.predictions import read_classes, read_rankings
from glr.retrieval.rows import COLUMNS
from glr.retrieval.solution import SPLITS, Solution, read_solution
from glr.retrieval.table import table


@command("score")
def main(config: DictConfig) -> None:
    """Score the predictions, print a table, and write it as JSON if asked for."""
    solution = read_solution(config.solution)
    if config.task is not None and config.task.value != solution.task:
        raise GlrError(
            f"task={config.task.value}: {config.solution} is a solution of {solution.task} (its column is "
            f"{COLUMNS[solution.task]}); correct task or solution"
        )
    if solution.task == "retrieval":
        predictions = read_rankings(config.predictions)
        _check_known(config, predictions, solution)
        values = {split: retrieval_metrics(solution.split(split), predictions) for split in SPLITS}
        answered = {query for query, images in predictions.items() if images}
    else:
        predictions = read_classes(config.predictions)
        _check_known(config, predictions, solution)
        values = {split: recognition_metrics(solution.split(split), predictions) for split in SPLITS}
        answered = predictions.keys()

    for split in SPLITS:
        scored = [query for query, relevant in solution.split(split).items() if relevant]
        print(f"{split}: {sum(query in answered for query in scored):,} of {len(scored):,} scored queries answered")
    scores = {f"{split.lower()}/{name}": value for split in SPLITS for name, value in values[split].items()}
    print(table({"": scores}))
    if config.output is not None:
        storage.write(config.output, f"{json.dumps(scores, indent=2)}\n".encode(), overwrite=True)
        print(f"\n{config.output} written")


def _check_known(config: DictConfig, predicted: Collection[str], solution: Solution) -> None:
    """Refuse predictions of queries that the solution does not name: they are of another task, split or data set."""
    unknown = [query for query in predicted if query not in solution.usage]
    if unknown:
        raise GlrError(
            f"{config.predictions}: queries that {config.solution} does not name: {len(unknown):,}, the first of them "
            f"{unknown[0]}; leave them out, or give the solution that fits"
        )


if __name__ == "__main__":
    main()
