"""Train a job from its newest checkpoint to the end, evaluate it, and record the scores."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from glr.config.printing import say
from glr.config.usages import headline, metric_name, scored_usages
from glr.errors import is_no_room, no_room_in_words
from glr.model.weights import save_weights
from glr.report.report import report
from glr.retrieval import outcomes
from glr.storage.temporary import temporary_folder
from glr.sweep import progress
from glr.tracking.description import NOTE
from glr.train.announcement import describe, plot
from glr.train.assembly import Assembly, assembled, evaluator, overfit
from glr.train.checkpoint import CheckpointError
from glr.train.explained import full_disk_explained, lost_workers_explained
from glr.train.feed import Feed
from glr.train.interruption import Interruption
from glr.train.job import Job
from glr.train.loop import Loop
from glr.train.memory import shortage_explained
from glr.train.profile import Profile
from glr.train.saving import Saving
from glr.train.state import Best
from glr.train.watch import Watch
from glr.tuning.trial import Trial

_LOOK_FOR_ROOM = 5.0  # seconds between two attempts to write to a full disk
Result = TypeVar("Result")


def train(job: Job) -> dict[str, dict[str, float]]:
    """Train, evaluate and record a job; continue from its newest checkpoint if there is one.

    Returns:
        The retrieval metrics (`public/gap`, ...) of the "trained" model and, if configured, of the "untrained" model
        ("initial": it starts from the weights of `init_from`).

    Raises:
        GlrError: the data cannot be read, training diverged, another worker is gone, or another machine has taken the
            run over.
        KeyboardInterrupt, SystemExit: a signal or full disk (`NO_ROOM`) ended the run; a checkpoint holds its progress.
    """
    with (
        Trial(job.config.sweep.trial) as trial,
        Interruption() as interruption,
        temporary_folder() as folder,
        lost_workers_explained(job.worker),
        full_disk_explained(),
    ):
        parts = assembled(job.config, job.data, job.weights)
        training = _Training(job, parts, trial, interruption, Path(folder))
        training.begin()
        with training.profile:
            for epoch in training.epochs():
                training.train(epoch)
                training.evaluate(epoch)
        training.finish()
        training.overfit.conclude()
        return training.state.scores


class _Training:
    """A run that is being trained.

    Args:
        job: the job to train.
        parts: the run's parts.
        trial: the trial of a search, which prunes an unpromising run.
        interruption: tells whether a signal asks to stop.
        folder: holds files until they are stored.
    """

    def __init__(self, job: Job, parts: Assembly, trial: Trial, interruption: Interruption, folder: Path):
        config = job.config
        self._job = job
        self._parts = parts
        self._trial = trial
        self._interruption = interruption
        self._folder = folder
        self._descriptors = folder / "descriptors"
        self._steps_per_epoch = parts.pipeline.steps_per_epoch
        self._total = config.train.epochs * self._steps_per_epoch
        self._saving = Saving(job, parts, interruption)
        self.state = state = self._saving.state
        if state.step == self._total:
            state.evaluated = min(state.evaluated, config.train.epochs - 1)  # its ranking is not saved
        self._evaluator = evaluator(config, job.data, parts)
        self._loop = Loop(
            parts.step,
            Feed(parts.pipeline, parts.strategy, state.step, self._total, parts.step.steps_per_call),
            state,
            steps_per_epoch=self._steps_per_epoch,
            max_skipped=config.train.max_skipped_batches if config.train.on_nan.value == "skip_batch" else 0,
        )
        self._watch = Watch(config, state, self._steps_per_epoch)
        self.overfit = overfit(config, job.data.classes, parts.pipeline)
        steps = config.debug.profile if job.worker.is_chief else None
        self.profile = Profile(steps, self._total - state.step, parts.step.steps_per_call, job.run, folder)

    def begin(self) -> None:
        """Describe the run and its position; score the model as it is, if configured."""
        config, data, run, state = self._job.config, self._job.data, self._job.run, self.state
        describe(config, data, self._evaluator.set, self._parts, run)
        run.restore(state.metrics)
        plot(config, data, self._parts, run, self._folder)
        if self._saving.continues:
            done = state.step - state.evaluated * self._steps_per_epoch
            where = "to be evaluated" if done == self._steps_per_epoch else f"step {done:,}"
            print(f"continuing after step {state.step:,} of {self._total:,} (epoch {state.evaluated + 1}, {where})")
        elif config.evaluate.untrained:
            name = "untrained" if self._job.weights is None else "initial"  # init_from named trained weights
            state.scores[name] = scores = self._evaluator(self._descriptors)
            run.metrics({f"{name}/{metric}": value for metric, value in scores.items()}, 0)
            print(f"{name}: {self._shown(scores)}")

    def epochs(self) -> Iterator[int]:
        """Yield the remaining epochs, counted from 1; a search may prune the rest, and a fitted batch ends the run."""
        while self.state.evaluated < self._job.config.train.epochs and not self.overfit.reached:
            if self._trial.hopeless():
                print(f"pruned after epoch {self.state.evaluated}")
                self._job.run.tags({"pruned": True})
                return
            yield self.state.evaluated + 1

    def train(self, epoch: int) -> None:
        """Train the remaining steps of the epoch, if any, and record its metrics."""
        label = f"epoch {epoch}/{self._job.config.train.epochs}"
        step = self._parts.step
        with shortage_explained(step.model, step.batch_size, self._parts.strategy):
            for up_to_date in self._loop.epoch(label):
                if up_to_date:
                    self._watch.report(self._evaluator.seconds)
                self.profile.step(self.state.step, self._loop.read)
                self._saving.boundary(self._loop.read)
        self._interruption.defer()  # a run that continues with an evaluation has had no boundary
        metrics = self._loop.metrics()
        self._job.run.metrics(metrics, epoch)
        print(
            f"{label}: loss {metrics['loss']:.4f}, accuracy {metrics['accuracy']:.4f}, "
            f"{metrics['images_per_second']:.0f} images/s",
            end="",
            flush=True,
        )
        self._watch.warn()
        self.overfit.check(epoch, self.state.step, metrics["loss"], metrics["accuracy"])

    def evaluate(self, epoch: int) -> None:
        """Evaluate if this is due, and record the scores; save if the epoch is the best so far."""
        config = self._job.config
        last = epoch == config.train.epochs or self.overfit.reached
        every = config.evaluate.every
        if last or (every is not None and epoch % every == 0):
            with self._saving.around():
                scores = self._with_room(self._scores)
            with self._interruption.deferred():
                best = self._record(scores, epoch)
                self.state.finish_epoch()
                if best and not last:
                    self._saving.save()
            print(f"; {self._shown(scores)}")
            if best and not last and self.state.best and self.state.best.score == 1:
                print("the score is 1: no later epoch can be better, so this set cannot choose one")
        else:
            print()
            self.state.finish_epoch()
        if not last:
            self._saving.boundary(self._loop.read)

    def _scores(self) -> dict[str, float]:
        with self._saving.averaged():
            return self._evaluator(self._descriptors)

    def finish(self) -> None:
        """Store weights, gallery and descriptors with the run."""
        job, run = self._job, self._job.run
        if not job.worker.is_chief:
            return
        with self._saving.around():
            job.claim.verify()
            self._with_room(self._store_last)
            self._with_room(self._store_best)
            self._with_room(self._store_outcomes)
            self._with_room(self._store_gallery)
            if job.config.evaluate.keep_descriptors and self._descriptors.is_dir():  # a trial pruned at once has none
                self._with_room(lambda: run.descriptors(self._descriptors))
            if scores := self.state.scores.get("trained"):
                files = {"gallery": "gallery.html"} if (self._folder / "gallery.html").exists() else {}
                run.tags({NOTE: job.description.text(scores, files)})
        self._saving.wait()

    def _with_room(self, write: Callable[[], Result]) -> Result:
        """Write files; while a disk is full, keep the trained weights in memory and try again.

        Raises:
            Exception: the disk stayed full for `checkpoint.room_minutes`, or something else failed.
        """
        minutes, began = self._job.config.checkpoint.room_minutes, 0.0
        while True:
            try:
                return write()
            except Exception as error:
                now = time.monotonic()
                if not is_no_room(error) or (now - began if began else 0.0) >= 60 * minutes:
                    raise
                if not began:
                    began = now
                    print(f"\n{no_room_in_words(error)}; waiting {minutes:g} minutes for room", file=sys.stderr)
                    self._saving.save()  # the disk of the checkpoints may have room
                time.sleep(_LOOK_FOR_ROOM)

    def _store_last(self) -> None:
        with self._saving.averaged():
            save_weights(self._parts.model, self._folder / "last.weights.h5")
        self._job.run.file(self._folder / "last.weights.h5", "weights")

    def _record(self, scores: dict[str, float], epoch: int) -> bool:
        """Record an evaluation; return whether it is the best so far."""
        state = self.state
        state.scores["trained"] = scores
        own = headline(scores, self._job.config.evaluate.score.value)
        metrics, (name, score) = scores | own, next(iter(own.items()))
        best = state.best is None or score > state.best.score
        if best:
            state.best = Best(score, epoch, state.step)
            metrics |= {"best_epoch": epoch, f"best_{name}": score}
        self._job.run.metrics(metrics, epoch)
        progress.report(epoch=epoch, epochs=self._job.config.train.epochs, score=score)
        self._trial.report(epoch, score)
        return best

    def _store_best(self) -> None:
        """Store the weights of the best epoch, from its checkpoint."""
        best, file = self.state.best, self._folder / "best.weights.h5"
        assert best
        try:
            with self._saving.weights_of(best.step, self._parts.model):
                save_weights(self._parts.model, file)
        except CheckpointError as error:
            say(f"the best weights (epoch {best.epoch}) are not stored: {error}", file=sys.stderr)
        else:
            self._job.run.file(file, "weights")

    def _store_outcomes(self) -> None:
        """Store each query's outcome in the last evaluation."""
        scored, ranking = self._evaluator.set, self._evaluator.ranking
        if ranking is not None:
            settings = {"set": scored.digest, "neighbors": self._job.config.evaluate.gap.neighbors}
            self._job.run.file(outcomes.save(scored.task.outcomes(ranking), self._folder, settings))

    def _store_gallery(self) -> None:
        config, scored, ranking = self._job.config, self._evaluator.set, self._evaluator.ranking
        if not config.evaluate.gallery or ranking is None:
            return
        title = f"{config.backbone.label}, {config.head.label} on {config.data.label}"
        pictures = scored.index, scored.query
        for file in report(
            scored.task, ranking, *pictures, title=title, each=config.evaluate.gallery, folder=self._folder
        ):
            self._job.run.file(file)

    def _shown(self, scores: dict[str, float]) -> str:
        score = self._job.config.evaluate.score.value
        usages = scored_usages(scores, score)
        return ", ".join(
            f"{usage.lower()} {score} {scores[metric_name(usage, score)]:.4f}".lstrip() for usage in usages
        )
