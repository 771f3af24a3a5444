"""`python -m glr.score`: score predictions in Kaggle's format, without a model."""

import json
from collections.abc import Collection

from omegaconf import DictConfig

from glr import storage
from glr.config.command import command
from glr.config.printing import say
from glr.config.usages import metric_name
from glr.data.predictions import read_classes, read_rankings
from glr.data.rows import COLUMNS
from glr.data.solution import Solution, read_solution
from glr.errors import GlrError
from glr.retrieval.metrics import recognition_metrics, retrieval_metrics
from glr.retrieval.scores import Scored, table


@command("score", printed=True)
def main(config: DictConfig) -> Scored:
    """Score the predictions, print the scores as a table, and write them as JSON on request."""
    if config.output is not None:
        storage.check_writable(config.output)
    solution = read_solution(config.solution)
    if config.task is not None and config.task.value != solution.task:
        raise GlrError(
            f"task={config.task.value}: {config.solution} is a solution of {solution.task} (its column is "
            f"{COLUMNS[solution.task]}); correct task or solution"
        )
    if solution.task == "retrieval":
        predictions = read_rankings(config.predictions)
        _check_known(config, predictions, solution)
        values = {usage: retrieval_metrics(solution.of_usage(usage), predictions) for usage in solution.usages}
        answered = {query for query, images in predictions.items() if images}
    else:
        predictions = read_classes(config.predictions)
        _check_known(config, predictions, solution)
        values = {usage: recognition_metrics(solution.of_usage(usage), predictions) for usage in solution.usages}
        answered = predictions.keys()

    for usage in solution.usages:
        scored = [query for query, relevant in solution.of_usage(usage).items() if relevant]
        count = sum(query in answered for query in scored)
        print(f"{usage or 'all'}: {count:,} of {len(scored):,} scored queries answered")
    scores = {metric_name(usage, name): value for usage, of in values.items() for name, value in of.items()}
    print(table({"": scores}))
    if config.output is not None:
        storage.write(config.output, f"{json.dumps(scores, indent=2)}\n".encode(), overwrite=True)
        say(f"\n{config.output} written")
    return Scored(next(iter(scores.values())), {"": scores})


def _check_known(config: DictConfig, predicted: Collection[str], solution: Solution) -> None:
    """Refuse predictions for queries that the solution does not name: they are from another task, split or data set."""
    unknown = [query for query in predicted if query not in solution.usage]
    if unknown:
        raise GlrError(
            f"{config.predictions}: queries that {config.solution} does not name: {len(unknown):,}, the first of them "
            f"{unknown[0]}; leave them out, or give the solution that fits"
        )


if __name__ == "__main__":
    main()
