"""The search with jobs that are functions of their overrides, launched here or in processes of their own."""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from optuna.trial import FrozenTrial, TrialState

from glr.config.ranges import Range
from glr.config.search import Pruner, Sampler, Settings
from glr.errors import DivergedError, GlrError
from glr.tuning.search import Search
from glr.tuning.trial import Trial
from tests.processes.forks import Forks

SPACE = {"rate": Range(1e-5, 1e-1, log=True), "margin": Range(0.0, 1.0), "head": ["arcface", "cosface"]}


def values(overrides: list[str]) -> dict:
    parsed = OverridesParser.create().parse_overrides(overrides)
    return {override.key_or_group: override.value() for override in parsed}


def score(job: dict) -> float:
    """1 at rate 1e-3, margin 0.3 and head cosface; less all around."""
    distance = (math.log10(job["rate"]) + 3) ** 2 + 4 * (job["margin"] - 0.3) ** 2
    return math.exp(-distance) - 0.3 * (job["head"] == "arcface")


class Launcher:
    """Runs a function of each job's values, as Hydra's launchers do, and remembers the values."""

    def __init__(self, task: Callable[[dict], float | None] = score):
        self.task, self.jobs, self.batches = task, [], []

    def __call__(self, jobs: list[list[str]], first: int) -> list[JobReturn]:
        assert first == len(self.jobs)
        self.batches.append(len(jobs))
        returns = []
        for job in jobs:
            self.jobs.append(values(job))
            try:
                returns.append(JobReturn(status=JobStatus.COMPLETED, _return_value=self.task(self.jobs[-1])))
            except Exception as error:
                returns.append(JobReturn(status=JobStatus.FAILED, _return_value=error))
        return returns


def settings(folder: Path, **changed) -> Settings:
    return Settings(**{"storage": str(folder / "searches.journal"), "study_name": "it", "n_trials": 10} | changed)


def search(folder: Path, launcher: Callable | None = None, space: dict | None = None, **changed) -> Search:
    made = Search(space or SPACE, {"epochs": 3}, settings(folder, **changed))
    made.run(launcher or Launcher())
    return made


def states(made: Search) -> list[str]:
    return [trial.state.name for trial in made.study.trials]


@pytest.mark.slow
def test_it_finds_more_than_chance(tmp_path: Path):
    """Over four seeds, with the same number of trials; tpe's first ten are drawn at random too."""
    best = {
        sampler: [
            search(tmp_path / f"{sampler.value}{seed}", sampler=sampler, seed=seed, n_trials=40).study.best_value
            for seed in range(4)
        ]
        for sampler in Sampler
    }
    assert sum(best[Sampler.tpe]) > sum(best[Sampler.random]) + 0.1
    assert min(best[Sampler.tpe]) > 0.8


def test_values_stay_in_bounds_and_are_drawn_as_they_should(tmp_path: Path):
    space = SPACE | {"epochs": Range(1, 30, log=True), "share": Range(0.1, 0.9, step=0.2), "name": ["a b", "3"]}
    launcher = Launcher(lambda _: 0.5)
    search(tmp_path, launcher, space | {"fixed": ["[1,2]"]}, sampler=Sampler.random, n_trials=100)
    drawn = {key: [job[key] for job in launcher.jobs] for key in launcher.jobs[0]}
    assert all(1e-5 <= rate <= 1e-1 for rate in drawn["rate"])
    assert 30 < sum(rate < 1e-3 for rate in drawn["rate"]) < 70  # half of the factors
    assert set(drawn["share"]) == {0.1, 0.3, 0.5, 0.7, 0.9}
    assert all(isinstance(epochs, int) and 1 <= epochs <= 30 for epochs in drawn["epochs"])
    assert sum(epochs <= 5 for epochs in drawn["epochs"]) > 35  # a sixth of them, if it were not logarithmic
    assert drawn["fixed"] == [[1, 2]] * 100
    assert set(drawn["head"]) == {"arcface", "cosface"}


def test_the_same_seed_chooses_the_same_also_after_an_interruption(tmp_path: Path):
    whole, other = Launcher(), Launcher()
    search(tmp_path, whole, study_name="whole", n_trials=18)
    search(tmp_path, other, study_name="other", n_trials=5, seed=1)
    first, second = Launcher(), Launcher()
    search(tmp_path, first, study_name="parts", n_trials=12)
    search(tmp_path, second, study_name="parts", n_trials=18)
    assert (len(first.jobs), len(second.jobs)) == (12, 6)
    chosen = [{key: job[key] for key in SPACE} for job in whole.jobs]
    assert [{key: job[key] for key in SPACE} for job in first.jobs + second.jobs] == chosen
    assert [job["rate"] for job in other.jobs] != [job["rate"] for job in whole.jobs[:5]]
    nothing = Launcher()
    search(tmp_path, nothing, study_name="parts", n_trials=18)
    assert nothing.jobs == []


def test_what_a_killed_search_was_running_is_run_again(processes: Forks, tmp_path: Path):
    """The search ends in the middle of its third job, as by kill -9."""
    script = f"""
import os
from pathlib import Path
from tests.tuning.test_search import *
launcher = Launcher(lambda job: os._exit(9) if len(launcher.jobs) == 3 else score(job))
search(Path({str(tmp_path)!r}), launcher)
"""
    assert processes.run(script, command="-c", cwd=tmp_path) == 9
    uninterrupted = Launcher()
    search(tmp_path, uninterrupted, study_name="whole")
    launcher = Launcher()
    made = search(tmp_path, launcher)
    assert states(made) == ["COMPLETE"] * 2 + ["FAIL"] + ["COMPLETE"] * 8
    assert [job["rate"] for job in launcher.jobs] == [job["rate"] for job in uninterrupted.jobs[2:]]


def test_a_failing_job_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture):
    def task(job: dict) -> float | None:
        if job["margin"] > 0.7:
            raise GlrError("too much")
        return None if job["margin"] < 0.1 else score(job)

    made = search(tmp_path, Launcher(task), n_trials=20)
    for trial in made.study.trials:
        failed = not 0.1 <= trial.params["margin"] <= 0.7
        assert trial.state == (TrialState.FAIL if failed else TrialState.COMPLETE)
    assert {"FAIL", "COMPLETE"} == set(states(made))
    assert f"20 trials, {states(made).count('COMPLETE')} finished, 0 pruned" in capsys.readouterr().out


def test_a_launcher_that_raises_fails_its_trials_and_a_row_of_failures_ends_the_search(tmp_path: Path):
    def launcher(*_) -> list[JobReturn]:
        raise RuntimeError("a worker was killed")

    with pytest.raises(GlrError, match="the last 10 trials failed"):
        search(tmp_path, launcher, n_jobs=2, n_trials=20)
    made = Search(SPACE, {"epochs": 3}, settings(tmp_path))
    assert states(made) == ["FAIL"] * 10


def test_trials_are_launched_together(tmp_path: Path):
    launcher = Launcher()
    search(tmp_path, launcher, n_jobs=4)
    assert launcher.batches == [4, 4, 2]
    assert len({job["rate"] for job in launcher.jobs}) == 10


def test_another_search_is_not_continued(tmp_path: Path):
    search(tmp_path)
    with pytest.raises(GlrError, match=r"the search it in .* differs .*rate: .*0.1, logarithmic.* -> .*0.2, log"):
        search(tmp_path, space=SPACE | {"rate": Range(1e-5, 0.2, log=True)})
    with pytest.raises(GlrError, match="epochs: 3 -> 4"):
        Search(SPACE, {"epochs": 4}, settings(tmp_path))
    names = {Search(SPACE, {"epochs": n}, settings(tmp_path, study_name=None, seed=n % 2)).name for n in (1, 2, 3, 1)}
    assert len(names) == 3


def epochs(job: dict) -> float:
    """A job of ten epochs that rises to its score, and reports."""
    reached = 0.0
    with Trial(job["sweep.trial"]) as trial:
        for epoch in range(1, 11):
            reached = score(job) * epoch / 10
            trial.report(epoch, reached)
            if trial.hopeless():
                break
    return reached


@pytest.mark.parametrize("pruner", [Pruner.median, Pruner.hyperband, Pruner.none])
def test_hopeless_jobs_stop_early(tmp_path: Path, pruner: Pruner, capsys: pytest.CaptureFixture):
    made = search(tmp_path, Launcher(epochs), n_trials=30, pruner=pruner, warmup_steps=3, warmup_trials=4)
    trials = made.study.trials
    ended = {state: [t for t in trials if t.state == state] for state in (TrialState.COMPLETE, TrialState.PRUNED)}
    assert len(ended[TrialState.COMPLETE]) + len(ended[TrialState.PRUNED]) == 30
    assert all(len(trial.intermediate_values) == 10 for trial in ended[TrialState.COMPLETE])
    if pruner == Pruner.none:
        assert not ended[TrialState.PRUNED]
        return
    assert len(ended[TrialState.PRUNED]) >= 5
    assert all(3 <= len(trial.intermediate_values) < 10 for trial in ended[TrialState.PRUNED])
    assert sum(len(trial.intermediate_values) for trial in trials) < 250
    assert all(t.state == TrialState.COMPLETE for t in trials[: 4 if pruner == Pruner.median else 1])
    assert made.study.best_value > 0.6
    assert "pruned after epoch 3, at " in capsys.readouterr().out
    if pruner == Pruner.median:
        below_the_median(trials, 3, 4)


def below_the_median(trials: list[FrozenTrial], warmup_steps: int, warmup_trials: int) -> None:
    """Check which trials are pruned, and when, against an independent implementation of the rule.

    A score that falls from its first epoch on is judged by its best.
    """
    judged = 0
    for trial in trials:
        finished = [t.intermediate_values for t in trials[: trial.number] if t.state == TrialState.COMPLETE]
        reported, hopeless = trial.intermediate_values, None
        for epoch in range(warmup_steps, len(reported) + 1):
            best = max(reported[e] for e in range(1, epoch + 1))
            if hopeless is None and len(finished) >= warmup_trials and best < median(f[epoch] for f in finished):
                hopeless = epoch
        assert (trial.last_step if trial.state == TrialState.PRUNED else None) == hopeless
        judged += hopeless is not None
    assert judged >= 5


def test_a_search_keeps_away_from_where_training_diverges(tmp_path: Path):
    def task(job: dict) -> float:
        with Trial(job["sweep.trial"]) as trial:
            if job["rate"] > 1e-3:
                raise DivergedError("the loss is no number")
            trial.report(1, score(job))
        return score(job)

    made = search(tmp_path, Launcher(task), n_trials=60)
    diverged = [trial.params["rate"] > 1e-3 for trial in made.study.trials]
    assert [trial.state == TrialState.PRUNED for trial in made.study.trials] == diverged
    assert sum(diverged[-20:]) < sum(diverged[:20])


@pytest.mark.slow
def test_the_jobs_may_be_processes_that_return_nothing(processes: Forks, tmp_path: Path):
    """Three at a time: each tells the search itself; one that is killed has told nothing."""
    script = """
import os, sys, time
from tests.tuning.test_search import *
job = values(sys.argv[1:])
if job["margin"] > 0.8: os.kill(os.getpid(), 9)
epochs(job)
"""

    def launcher(jobs: list[list[str]], _) -> list[JobReturn]:
        for process in [processes.start(script, *job, command="-c", cwd=tmp_path) for job in jobs]:
            processes.wait(process)
        raise GlrError("this launcher raises in any case")

    made = search(tmp_path, launcher, n_trials=6, n_jobs=3, seed=2)
    ended = {trial.state for trial in made.study.trials}
    for trial in made.study.trials:
        assert (trial.state == TrialState.FAIL) == (trial.params["margin"] > 0.8)
        if trial.state == TrialState.COMPLETE:
            assert trial.value == pytest.approx(score(trial.params))
            assert list(trial.intermediate_values) == list(range(1, 11))
    assert {TrialState.COMPLETE, TrialState.FAIL} <= ended
