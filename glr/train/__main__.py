"""`python -m glr.train`: compose, train, score and log a run."""

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from glr.config.command import command
from glr.config.log import LOG, Log, logged
from glr.config.printing import say
from glr.config.usages import headline, main_metric, main_score
from glr.devices.startup import import_tensorflow
from glr.devices.workers import Worker, this_worker
from glr.retrieval.scores import Scored, of_solution, table
from glr.sweep import progress


@command("train")
def main(config: DictConfig) -> Scored:
    """Train the model that the config describes, and print its scores."""
    with progress.failures():
        worker = this_worker(config)
        if not worker.is_chief:
            with redirect_stdout(io.StringIO()):
                return _train(config, worker)
        with logged(Path(HydraConfig.get().runtime.output_dir) / LOG) as log:
            return _train(config, worker, log)


def _train(config: DictConfig, worker: Worker, log: Log | None = None) -> Scored:
    from glr.data.opening import open_data
    from glr.retrieval.metrics import check_score
    from glr.tracking.weights import initial_weights

    # Open these before importing TensorFlow, which takes seconds: mistakes in data and weights are reported at once.
    data = open_data(config.data, prepare=config.data.prepare_when_missing)
    check_score(config.evaluate.score.value, data.tasks, data.path)
    weights = initial_weights(config)
    import_tensorflow()
    from glr.devices.precision import choose_precision
    from glr.tracking.run import PARENT_VARIABLE
    from glr.train.claim import DoneError
    from glr.train.job import opened
    from glr.train.training import train

    choose_precision(config)
    try:
        with opened(config, data, weights, worker, log) as job:
            scores = train(job)
            print(table(scores))
    except DoneError as done:
        run, metrics = done.run, done.run.metrics
        score = _reported(metrics, config)
        say(f"run {run.name} of study {config.study} is complete already: score {score:.5f} ({run.id})")
        return Scored(score, {"trained": of_solution(metrics)}, run.id, run.name, run.study)
    say(f"\nrun {job.run.name} in study {config.study} ({job.run.id or 'waiting to be sent'})")
    if PARENT_VARIABLE not in os.environ:  # a sweep says it at its end
        say(f"compare runs: {job.run.pages}")
    score = _reported(headline(scores["trained"], config.evaluate.score.value), config)
    return Scored(score, scores, job.run.id, job.run.name, config.study, job.run.pages)


def _reported(metrics: Mapping[str, float], config: DictConfig) -> float:
    """Tell the launcher the main score of a finished run, and return it."""
    score = main_score(metrics)
    assert score is not None  # each finished run has one
    progress.report(score=score, scores={main_metric(metrics, config.evaluate.score.value): score})
    return score


if __name__ == "__main__":
    main()
