"""A training job: it trains from its newest checkpoint to the end, and records the scores."""

import os
import re
import sys
import tempfile
import time
from pathlib import Path

import tensorflow as tf
from omegaconf import DictConfig

from glr.data.prepared import PreparedData
from glr.devices.workers import Worker
from glr.errors import GlrError
from glr.report.report import report
from glr.retrieval.extraction import Extractor
from glr.retrieval.landmarks import headline
from glr.sweep import progress
from glr.tracking.recorder import Recorder
from glr.train.announcement import describe, plot
from glr.train.assembly import Assembly, assembled
from glr.train.checkpoint import CheckpointError
from glr.train.claim import Claim
from glr.train.evaluator import Evaluator
from glr.train.feed import Feed
from glr.train.interruption import Interruption
from glr.train.loop import Loop
from glr.train.saving import Saving
from glr.train.state import Best
from glr.tuning.trial import Trial

_LONG_WAIT = 0.2  # warn if the device waits for images longer than this share of an epoch's time
_WORTH_SAYING = 5.0  # ... and longer than these seconds
_LONG_ENOUGH = 120.0  # seconds of an epoch after which to warn before its end
_ALONE = Worker()


def train(
    config: DictConfig,
    data: PreparedData,
    run: Recorder,
    claim: Claim,
    trial: Trial,
    weights: Path | None = None,
    worker: Worker = _ALONE,
) -> dict[str, dict[str, float]]:
    """Train, evaluate and record one run; continue from its newest checkpoint if there is one.

    Args:
        config: composed from conf/train.yaml.
        data: the prepared data set.
        run: the open MLflow run.
        claim: on the job, with the folder of its checkpoints.
        trial: of a search; it ends a hopeless training.
        weights: to start from, of a model of the same shape; None: those that the backbone's config names.
        worker: this process among those that train the run; only the chief saves.

    Returns:
        The retrieval metrics (`public/gap`, ...) of the "trained" model and, if configured, of the "untrained" one.

    Raises:
        GlrError: the data cannot be read, training diverged, another worker is gone, or another machine has taken the
            run over.
        KeyboardInterrupt, SystemExit: a signal ended it, and a checkpoint holds what was done.
    """
    with Interruption() as interruption, tempfile.TemporaryDirectory(prefix="glr-") as folder:
        parts = assembled(config, data, weights)
        job = _Job(config, data, run, parts, claim, trial, interruption, Path(folder), worker)
        try:
            return job.train()
        except tf.errors.OpError as error:
            if worker.count == 1:
                raise
            reason = re.sub(r"\{\{.*?\}\} ", "", str(error)).strip().splitlines()[0]
            raise GlrError(
                f"worker {worker.index} of {worker.count} lost the others ({reason}); start the same command on all of "
                "them again: it continues from the last checkpoint"
            ) from error


class _Job:
    def __init__(
        self,
        config: DictConfig,
        data: PreparedData,
        run: Recorder,
        parts: Assembly,
        claim: Claim,
        trial: Trial,
        interruption: Interruption,
        folder: Path,
        worker: Worker,
    ):
        self._config = config
        self._data = data
        self._run = run
        self._parts = parts
        self._claim = claim
        self._trial = trial
        self._interruption = interruption
        self._folder = folder
        self._descriptors = folder / "descriptors"
        self._epochs = config.train.epochs
        self._steps_per_epoch = parts.pipeline.steps_per_epoch
        self._total = self._epochs * self._steps_per_epoch
        validation = "validation" in data.shards and not config.data.train_on_validation
        self._evaluator = Evaluator(
            data,
            Extractor(parts.model, parts.strategy, config.evaluate.batch_size),
            parallelism=config.data.parallelism,
            neighbors=config.evaluate.gap.neighbors,
            memory=config.evaluate.memory,
            dtype=config.evaluate.descriptors.value,
            head=parts.model.head if validation else None,
        )
        self._evaluation_seconds = 0.0
        self._saving = Saving(config, parts, run, claim, interruption, worker)
        self._state = self._saving.state
        self._worker = worker
        self._warned = 0  # the last epoch in which waiting for images was said

    def train(self) -> dict[str, dict[str, float]]:
        describe(self._config, self._data, self._evaluator.set, self._parts, self._run)
        state = self._state
        self._run.restore(state.metrics)
        plot(self._config, self._data, self._parts, self._run, self._folder)
        if state.step == self._total:
            state.evaluated = min(state.evaluated, self._epochs - 1)  # its ranking went with the process
        if self._saving.continues:
            done = state.step - state.evaluated * self._steps_per_epoch
            where = "to be evaluated" if done == self._steps_per_epoch else f"step {done:,}"
            print(f"continuing after step {state.step:,} of {self._total:,} (epoch {state.evaluated + 1}, {where})")
        elif self._config.evaluate.untrained:
            state.scores["untrained"] = self._evaluate()
            self._run.metrics({f"untrained/{name}": value for name, value in state.scores["untrained"].items()}, 0)
            print(f"untrained: {self._shown(state.scores['untrained'])}")
        feed = Feed(
            self._parts.pipeline, self._parts.strategy, state.step, self._total, self._parts.step.steps_per_call
        )
        train, limit = self._config.train, self._config.train.max_skipped_batches
        self._loop = Loop(
            self._parts.step,
            feed,
            state,
            steps_per_epoch=self._steps_per_epoch,
            interruption=self._interruption,
            max_skipped=limit if train.on_nan.value == "skip_batch" else 0,
            boundary=lambda: self._saving.boundary(self._loop.read),
        )
        self._started, self._first = time.monotonic(), state.step
        while state.evaluated < self._epochs:
            if self._trial.hopeless():
                print(f"pruned after epoch {state.evaluated}")
                self._run.tags({"pruned": True})
                break
            self._epoch(state.evaluated + 1)
        self._finish()
        return state.scores

    def _epoch(self, epoch: int) -> None:
        """Train the rest of the epoch, which may be nothing, record it and evaluate."""
        state = self._state
        metrics = self._loop.epoch(self._watch, f"epoch {epoch}/{self._epochs}")
        self._run.metrics(metrics, epoch)
        print(
            f"epoch {epoch}/{self._epochs}: loss {metrics['loss']:.4f}, accuracy {metrics['accuracy']:.4f}, "
            f"{metrics['images_per_second']:.0f} images/s",
            end="",
            flush=True,
        )
        self._warn_of_waiting()
        every = self._config.evaluate.every
        if epoch == self._epochs or (every is not None and epoch % every == 0):
            if epoch == self._epochs and self._config.optimizer.get("use_ema"):
                self._parts.step.optimizer.finalize_variable_values(self._parts.model.trainable_variables)
            with self._saving.around():
                scores = self._evaluate()
            with self._interruption.deferred():
                self._judge(scores, epoch)
            print(f"; {self._shown(scores)}")
        else:
            print()
        state.evaluated = epoch
        if epoch < self._epochs:
            state.sums = type(state.sums)()
            self._saving.boundary(self._loop.read)

    def _judge(self, scores: dict[str, float], epoch: int) -> None:
        """Record an evaluation; if it is the best so far, save a checkpoint."""
        state, score = self._state, self._config.evaluate.score.value
        state.scores["trained"] = scores
        metrics = scores | headline(scores, score)
        best = metrics["public_score"]
        if state.best is None or best > state.best.score:
            state.best = Best(best, epoch, state.step)
            metrics |= {"best_epoch": epoch, "best_public_score": best}
        self._run.metrics(metrics, epoch)
        if state.best.step == state.step and epoch < self._epochs:
            state.evaluated = epoch
            state.sums = type(state.sums)()
            self._saving.save()
        progress.report(epoch=epoch, epochs=self._epochs, score=best)
        self._trial.report(epoch, metrics["public_score"])

    def _finish(self) -> None:
        """Store weights, gallery and descriptors with the run."""
        if not self._worker.is_chief:
            return
        config, run = self._config, self._run
        with self._saving.around():
            self._claim.verify()
            self._parts.model.save_weights(self._folder / "last.weights.h5")
            run.file(self._folder / "last.weights.h5", "weights")
            self._store_best()
            found = self._evaluator.set
            if config.evaluate.gallery and self._evaluator.ranking is not None:
                for file in report(
                    found.task,
                    self._evaluator.ranking,
                    found.index,
                    found.query,
                    title=f"{config.backbone.label}, {config.head.label} on {config.data.label}",
                    each=config.evaluate.gallery,
                    folder=self._folder,
                ):
                    run.file(file)
            if config.evaluate.keep_descriptors and self._descriptors.is_dir():  # not of a trial pruned at once
                run.descriptors(self._descriptors)
        self._saving.wait()

    def _store_best(self) -> None:
        """Store the weights of the best epoch, from its checkpoint."""
        best, file = self._state.best, self._folder / "best.weights.h5"
        assert best
        try:
            with self._saving.weights_of(best.step, self._parts.model):
                self._parts.model.save_weights(file)
        except CheckpointError as error:
            print(f"the best weights (epoch {best.epoch}) are not stored: {error}", file=sys.stderr)
        else:
            self._run.file(file, "weights")

    def _evaluate(self) -> dict[str, float]:
        started = time.monotonic()
        scores = self._evaluator(self._descriptors)
        self._evaluation_seconds = time.monotonic() - started
        return scores

    def _watch(self) -> None:
        """Report progress to the launcher."""
        state, every = self._state, self._config.evaluate.every or self._epochs
        epoch = (state.step - 1) // self._steps_per_epoch + 1
        per_step = (time.monotonic() - self._started) / max(state.step - self._first, 1)
        evaluations = -(-(self._epochs - epoch + 1) // every)
        left = (self._total - state.step) * per_step + evaluations * self._evaluation_seconds
        progress.report(epoch=epoch, epochs=self._epochs, seconds_left=left)
        if state.sums.seconds > _LONG_ENOUGH:
            self._warn_of_waiting()

    def _warn_of_waiting(self) -> None:
        """Warn, once an epoch, of an input pipeline that is too slow."""
        sums, epoch = self._state.sums, self._state.evaluated + 1
        if epoch == self._warned or sums.waited < max(_LONG_WAIT * sums.seconds, _WORTH_SAYING):
            return
        self._warned = epoch
        images = (self._state.step - self._state.evaluated * self._steps_per_epoch) * self._config.train.batch_size
        print(
            f"\nthe device waited for images {sums.waited / sums.seconds:.0%} of the time: it computes "
            f"{images / max(sums.seconds - sums.waited, 1e-9):.0f} images/s, the input pipeline brought "
            f"{images / sums.seconds:.0f}; data.parallelism={self._config.data.parallelism} on {os.cpu_count()} cores",
            end="" if self._state.step % self._steps_per_epoch == 0 else "\n",
            file=sys.stderr,
        )

    def _shown(self, scores: dict[str, float]) -> str:
        score = self._config.evaluate.score.value
        return ", ".join(f"{usage} {score} {scores[f'{usage}/{score}']:.4f}" for usage in ("public", "private"))
