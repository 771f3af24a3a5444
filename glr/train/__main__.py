"""`python -m glr.train`: the main job. Compose a run, train it, score it, log it."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from glr import storage
from glr.config.command import command
from glr.config.identity import Identity, run_name, settings_of
from glr.devices.workers import Worker, this_worker
from glr.errors import DivergedError, GlrError
from glr.sweep import progress
from glr.tuning.trial import Trial

if TYPE_CHECKING:
    from glr.train.claim import Claim


@command("train")
def main(config: DictConfig) -> float:
    """Train the model that the config describes, and print its scores: the public score."""
    with progress.failures():
        worker = this_worker(config)
        with nullcontext() if worker.is_chief else redirect_stdout(io.StringIO()):
            return _train(config, worker)


def _train(config: DictConfig, worker: Worker) -> float:
    # Imported late: only a run that starts pays for TensorFlow and MLflow.
    from glr.data.opening import open_data
    from glr.tracking.weights import initial_weights

    data = open_data(config.data, prepare=config.data.prepare_when_missing)
    weights = initial_weights(config)
    if weights is not None and weights.run_id is not None:
        print(f"starting from the weights of {weights.name}")
    from glr.devices.startup import import_tensorflow

    import_tensorflow()
    from glr.retrieval.scores import table
    from glr.tracking.recorder import Unrecorded
    from glr.tracking.run import PARENT_VARIABLE, new_journal, run
    from glr.train.claim import claimed, followed
    from glr.train.job import train

    choices = HydraConfig.get().runtime.choices
    name = run_name(config, choices)
    alone = PARENT_VARIABLE not in os.environ
    if worker.count > 1 and not alone:
        raise GlrError(
            "strategy=multi_worker takes no sweep: start each of its runs by a command of its own, without -m"
        )
    chief = worker.is_chief
    identity = Identity(settings_of(config, weights.identity if weights else None), data.digest)
    with (
        claimed(config, identity, name, alone=alone, journal=new_journal())
        if chief
        else followed(config, identity) as claim
    ):
        recorded = run(
            config.tracking,
            config.study,
            name,
            journal=claim.journal,
            attempt=claim.attempt,
            continued=claim.continues,
            tags={"key": identity.key, "configuration": identity.configuration, "data_digest": identity.digest},
        )
        with (
            _abandoned_if_diverged(claim),
            recorded if chief else nullcontext(Unrecorded()) as opened,
            Trial(config.sweep.trial) as trial,
        ):
            opened.provenance(config, choices)
            opened.tags({"init_from_run": weights.run_id} if weights and weights.run_id else {})
            opened.dataset(
                config.data.label, data.digest, config.data.path, "training", {"images": data.images("train")}
            )
            with nullcontext() if weights is None else storage.on_disk(weights.file) as file:
                scores = train(config, data, opened, claim, trial, file, worker)
        if opened.complete:
            claim.release()
        else:  # unsent records are on this machine only; the checkpoints may be elsewhere
            claim.complete()
    print(table(scores))
    print(f"\nrun {name} in study {config.study} ({opened.id or 'waiting to be sent'})")
    print(f"compare runs: {opened.pages}")
    score = scores["trained"][f"public/{config.evaluate.score.value}"]
    progress.report(score=score)
    return score


@contextmanager
def _abandoned_if_diverged(claim: "Claim") -> Iterator[None]:
    """Allow the next run of this name to have other settings, such as a lower learning rate."""
    try:
        yield
    except DivergedError:
        claim.abandon()
        raise


if __name__ == "__main__":
    main()
