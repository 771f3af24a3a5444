"""The search: Optuna chooses values, a launcher runs the jobs, and a file keeps the results for later commands."""

import hashlib
import json
import math
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path

import numpy as np
import optuna
from hydra.core.utils import JobReturn, JobStatus
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from glr.config.grammar import in_grammar
from glr.config.identity import differences
from glr.config.printing import counted, printable, say
from glr.config.ranges import Parameter, Range, is_open, written
from glr.config.search import Sampler, Settings
from glr.errors import GlrError
from glr.storage.lock import held
from glr.tuning.storage import opened, pruner_of, record_pruner, trial_id
from glr.tuning.trial import named

Launch = Callable[[list[list[str]], int], Sequence[JobReturn]]

# Failures in a row that end the search.
_GIVE_UP = 10
_PROBLEM, _COMMAND, _INTERRUPTED = "problem", "command", "interrupted"
_RUNNING = ".running"


class Search:
    """One search: an Optuna study in a file; opening it with the same ranges and settings continues the search."""

    def __init__(self, space: Mapping[str, Parameter], problem: Mapping[str, object], settings: Settings):
        """Open the search, and queue the trials that an earlier command left unfinished.

        Args:
            space: a setting's key -> its range or its values.
            problem: key -> value of the other settings that the scores depend on; a search continues if they are equal.
            settings: the search's settings.

        Raises:
            GlrError: the file has a search of this name with other ranges or settings.
        """
        self.settings = settings
        self.distributions = {key: _distribution(domain) for key, domain in space.items() if is_open(domain)}
        self.fixed = [
            f"{key}={domain[0]}" for key, domain in space.items() if isinstance(domain, list) and len(domain) == 1
        ]
        problem = {**problem, **{key: str(domain) for key, domain in space.items()}}
        self.file = Path(settings.storage).absolute()
        self._command = secrets.token_hex(8)  # identifies this process in the trials that it runs
        self.name = settings.study_name or _name(problem, settings)
        self.storage = opened(self.file)
        self.study = optuna.create_study(
            storage=self.storage, study_name=self.name, direction=settings.direction.name, load_if_exists=True
        )
        before = self.study.user_attrs.get(_PROBLEM)
        if before is None:
            self.study.set_user_attr(_PROBLEM, problem)
        elif changed := differences(before, problem):
            raise GlrError(
                f"the search {self.name} in {self.file} differs ({'; '.join(changed[:3])}); "
                "give this search another name: hydra.sweeper.study_name=NAME"
            )
        record_pruner(self.study, settings)
        self.study.pruner = pruner_of(self.study)
        self._take_up()

    def run(self, launch: Launch) -> None:
        """Run trials until `n_trials` trials of the search have ended.

        Args:
            launch: function that runs jobs, given each job's overrides and the number of the first job.

        Raises:
            GlrError: no trial gave a score, or ten in a row failed.
        """
        with self._sign_of_life():
            self._run(launch)

    def _run(self, launch: Launch) -> None:
        done, failures = self._done(), 0
        say(f"search {self.name}: {len(done)} of {self.settings.n_trials} trials are done ({self.file})")
        launched = 0
        while (left := self.settings.n_trials - len(done)) > 0:
            trials = [self._ask() for _ in range(min(left, self.settings.n_jobs))]
            self._launch(launch, trials, launched)
            launched += len(trials)
            done = self._done()
            for trial in trials:
                failures = 0 if self._report(trial.number) else failures + 1
            if failures >= _GIVE_UP:
                raise GlrError(f"the last {failures} trials failed; fix the cause, and the same command continues")
        self._summarize(done)

    def _ask(self) -> optuna.Trial:
        # The seed depends on the trial's position, not on a generator's state: a continued search chooses the same
        # values as an uninterrupted search.
        place = len([t for t in self.study.get_trials(deepcopy=False) if not t.user_attrs.get(_INTERRUPTED)])
        self.study.sampler = _sampler(self.settings, place)
        trial = self.study.ask(self.distributions)
        trial.set_user_attr(_COMMAND, self._command)
        return trial

    def _launch(self, launch: Launch, trials: list[optuna.Trial], first: int) -> None:
        """Launch the jobs of the trials, and tell Optuna the outcomes that the jobs did not report."""
        jobs = [self._overrides(trial) for trial in trials]
        for trial in trials:
            say(f"trial {trial.number}: {_shown(trial.params)}")
        returns: Sequence[JobReturn | None] = [None] * len(trials)
        try:
            returns = launch(jobs, first)
        except Exception as error:  # each launcher has its own errors for a job that failed or was killed
            print(printable(f"{type(error).__name__}: {error}"), file=sys.stderr, flush=True)
        for trial, returned in zip(trials, returns, strict=True):
            score = _score(returned)
            self.study.tell(trial.number, score, TrialState.FAIL if score is None else None, skip_if_finished=True)

    def _overrides(self, trial: optuna.Trial) -> list[str]:
        name = in_grammar(named(self.file, self.name, trial.number))
        chosen = [f"{key}={written(value)}" for key, value in trial.params.items()]
        return [*self.fixed, *chosen, f"sweep.trial={name}"]

    def _done(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)
        return [t for t in trials if t.state.is_finished() and not t.user_attrs.get(_INTERRUPTED)]

    def _report(self, number: int) -> bool:
        """Print how a trial ended; return False if it failed."""
        trial = self.study.get_trials(deepcopy=False)[number]
        if trial.state == TrialState.COMPLETE:
            print(f"trial {number}: {trial.value:.5f}; the best is {self.study.best_value:.5f}", flush=True)
        elif trial.state == TrialState.PRUNED:
            last = trial.last_step
            at = (
                f" after epoch {last}, at {trial.intermediate_values[last]:.5f}"
                if last is not None
                else ": it diverged"
            )
            print(f"trial {number}: pruned{at}", flush=True)
        else:
            print(f"trial {number}: failed", flush=True)
        return trial.state != TrialState.FAIL

    def _summarize(self, done: list[FrozenTrial]) -> None:
        count = {state: sum(t.state == state for t in done) for state in TrialState}
        print(
            f"\nsearch {self.name}: {counted(len(done), 'trial')}, {count[TrialState.COMPLETE]} finished, "
            f"{count[TrialState.PRUNED]} pruned, {count[TrialState.FAIL]} failed"
        )
        if not count[TrialState.COMPLETE]:
            raise GlrError(f"none of the {len(done)} trials gave a score")
        best = self.study.best_trial
        say(f"the best is trial {best.number} with {best.value:.5f}: {_shown(best.params)}")

    def _take_up(self) -> None:
        """Queue unfinished trials again if their commands are no longer running."""
        living = self._living()
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            if trial.user_attrs.get(_COMMAND) not in living:
                self.storage.set_trial_user_attr(trial_id(self.storage, self.name, trial.number), _INTERRUPTED, True)
                self.study.tell(trial.number, state=TrialState.FAIL)
                self.study.enqueue_trial(trial.params)

    @contextmanager
    def _sign_of_life(self) -> Iterator[None]:
        """Hold a lock beside the search's file; the lock shows other machines that this process is running."""
        sign = self.file.with_name(f"{self.file.name}.{self._command}{_RUNNING}")
        with held(sign):
            try:
                yield
            finally:
                sign.unlink(missing_ok=True)

    def _living(self) -> set[str]:
        """Return the running commands; delete the locks that ended commands left."""
        living: set[str] = set()
        for sign in self.file.parent.glob(f"{escape(self.file.name)}.*{_RUNNING}"):
            try:
                with held(sign, wait=0):
                    sign.unlink()
            except OSError:  # the lock is held, or may not be opened
                living.add(sign.name.removesuffix(_RUNNING).rpartition(".")[2])
        return living


def _distribution(domain: Parameter) -> BaseDistribution:
    if not isinstance(domain, Range):
        return CategoricalDistribution(domain)
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log, step=int(domain.step or 1))
    return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)


def _name(problem: Mapping[str, object], settings: Settings) -> str:
    """Name a search by a hash of its problem and settings."""
    way = [settings.direction.value, settings.sampler.value, settings.seed, settings.pruner.value]
    text = json.dumps([problem, way, settings.warmup_trials, settings.warmup_steps], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _sampler(settings: Settings, place: int) -> BaseSampler:
    seed = int(np.random.SeedSequence([settings.seed, place]).generate_state(1)[0])
    if settings.sampler == Sampler.random:
        return RandomSampler(seed=seed)
    return TPESampler(seed=seed, constant_liar=settings.n_jobs > 1)


def _score(returned: JobReturn | None) -> float | None:
    """The score that a job returned; None if it returned something else."""
    if returned is None or returned.status != JobStatus.COMPLETED:
        return None
    value = returned.return_value
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _shown(params: Mapping[str, object]) -> str:
    return " ".join(
        f"{key}={value:.5g}" if isinstance(value, float) else f"{key}={value}" for key, value in params.items()
    )
