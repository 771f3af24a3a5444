"""Every mistake on the command line is answered in one sentence, at once, and before any job starts."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glr.config.command import JobFunction, main_of
from tests.processes.forks import Forks, forks

ROOT = Path(__file__).parents[2]
HEAVY = ["tensorflow", "keras", "mlflow", "optuna"]


def glr(*arguments: str, command: str = "train", cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    """Run `python -m glr.<command>` from `cwd` with this checkout's code."""
    env = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    line = [sys.executable, "-m", f"glr.{command}", *arguments]
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def light() -> Iterator[Forks]:
    """Commands that may import nothing heavy."""
    with forks(without=HEAVY) as opened:
        yield opened


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("head=arcface head.mragin=0.3", "head.mragin is not a setting; did you mean head.margin"),
        ("head=arcface head.margin=abc", "head.margin=abc: expected a number"),
        ("+head.foo=1", "head.foo is not a setting"),
        ("head._target_=os.system", "head._target_=os.system: expected a class of glr, Keras or your own"),
        ("head._target_=glr.model.head.arcface.Arc", "module glr.model.head.arcface has no class or function Arc"),
        ("train.epochs=abc", "train.epochs=abc: expected a whole number"),
        ("train.epochs=0", "train.epochs=0: expected at least 1"),
        ("strategy=cpu strategy.replicas=0", "strategy.replicas=0: expected at least 1"),
        ("train.epoch=3", "train.epoch is not a setting; did you mean train.epochs?"),
        ("backbone=xcepton", "backbone=xcepton: there is no such choice; did you mean backbone=xception?"),
        ("headd=arcface", "headd is not a setting; did you mean head?"),
        ("data.normalization=zero", "expected one of zero_one, minus_one_one, imagenet"),
        ("optimizer.clipnorm=abc", "optimizer.clipnorm=abc: expected a number or null"),
        ("optimizer.beta1=0.8", "did you mean optimizer.beta_1"),
        ("regularization=l2 regularization.scope=everywhere", "expected head or all"),
        ("pooling=avg pooling.keepdims=1", "pooling.keepdims=1: expected true or false"),
        ("tracking=server", "tracking.uri: a value is needed"),
        ("head=arcface,cosface", "several values make a sweep; add -m"),
        ("train.epochs", "a setting is given as key=value"),
        ("hydra/launcher=ray -m", "hydra/launcher=ray: it is not installed; pip install 'glr[ray]'"),
        ("head.margin=interval(0.1,0.5) -m", "a range is searched, not run through; add hydra/sweeper=optuna"),
        ("hydra/sweeper=optuna head=arcface head.mragin=interval(0,1) -m", "did you mean head.margin"),
        ("hydra/sweeper=optuna head=arcface,norm_softmax head.margin=interval(0,1) -m", "head.margin is not a setting"),
        ("hydra/sweeper=optuna train.epochs=int(interval(0,9)) -m", "train.epochs=0: expected at least 1"),
        ("hydra/sweeper=optuna head.margin=interval(1,0) -m", "a range goes from a lower to a higher number"),
        ("hydra/sweeper=optuna hydra.sweeper.n_trials=0 seed=range(9) -m", "n_trials=0: expected at least 1"),
        ("hydra/sweeper=optuna hydra.sweeper.n_trialz=1 seed=range(9) -m", "hydra.sweeper.n_trialz is not a setting"),
        ("hydra/sweeper=optuna hydra.sweeper.pruner=x seed=range(9) -m", "expected one of median, hyperband, none"),
        ("hydra/sweeper=optuna seed=3 -m", "nothing is searched"),
    ],
)
def test_mistake_is_one_sentence(light: Forks, line: str, sentence: str, tmp_path: Path):
    done = light.output(*line.split(), cwd=tmp_path)
    assert done.returncode == 1
    (message,) = done.stderr.splitlines()
    assert message.startswith("error: ")
    assert sentence in message
    assert list(tmp_path.iterdir()) == []


def test_mistake_in_a_later_job_stops_the_sweep_before_its_first(tmp_path: Path):
    values = ",".join(str(n) for n in range(1, 12))
    done = glr(f"train.epochs={values},twelve", "-m", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: job 12 of 12 (train.epochs=twelve): train.epochs=twelve: expected a whole number"
    )
    assert list(tmp_path.iterdir()) == []


def test_overrides_may_stand_on_both_sides_of_m(tmp_path: Path):
    done = glr("train.epochs=1,x", "-m", "seed=3", cwd=tmp_path)
    assert "job 2 of 2 (train.epochs=x seed=3)" in done.stderr


def test_a_setting_may_belong_to_a_choice_that_is_swept(tmp_path: Path):
    line = ["head=arcface,cosface", "head.margin=0.3", "data=folder", f"data.source.path={tmp_path}/none"]
    done = glr(*line, "-m", cwd=tmp_path)
    reason = f"data.source.path={tmp_path}/none: no such folder"
    for number, head in enumerate(("arcface", "cosface"), start=1):
        assert f"job {number} of 2: head={head}\n" in done.stdout
        assert f"job {number} failed: {reason}" in done.stdout
    assert done.stdout.count(f"\nerror: {reason}\n") == 2  # each job started, and said what it lacks
    assert done.stderr == "error: 2 of 2 jobs failed: 1 (head=arcface); 2 (head=cosface)\n"
    done = glr("head=arcface,adacos_semi", "head.margin=0.3", "-m", cwd=tmp_path)
    assert done.stderr.startswith("error: job 2 of 2 (head=adacos_semi head.margin=0.3): head.margin is not a setting")


@pytest.mark.parametrize(
    "command", ["train", "prepare", "evaluate", "score", "ensemble", "export", "compare", "record", "preflight"]
)
def test_help_explains_and_imports_nothing_heavy(light: Forks, command: str, tmp_path: Path):
    done = light.output("--help", command=command, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python -m glr.{command}" in done.stdout
    assert "Settings (key=value)" in done.stdout


@pytest.mark.parametrize("name", ["train", "prepare"])
def test_a_pickled_job_is_found_again_by_its_command(name: str):
    again = pickle.loads(pickle.dumps(JobFunction(name, print)))
    assert again._task is main_of(name).__wrapped__
    assert again.__module__ == f"glr.{name}"


def test_cfg_job_prints_the_config():
    done = glr("head=arcface", "head.margin=0.25", "--cfg", "job", "--package", "head")
    assert done.returncode == 0
    assert "margin: 0.25" in done.stdout


def test_a_reader_that_goes_away_is_no_fault():
    """`python -m glr.train --help | head`: no traceback."""
    line = [sys.executable, "-m", "glr.train", "--help"]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        started.stdout.close()
        assert started.stderr.read() == b""
    assert started.returncode == 1


def test_launchers_send_a_job_by_the_name_of_its_command():
    from glr import score

    sent = pickle.dumps(JobFunction("score", score.main.__wrapped__))
    assert b"glr.config.command" in sent
    assert len(sent) < 100  # a name, no function
    received = pickle.loads(sent)
    assert (received.__module__, received._task) == ("glr.score", score.main.__wrapped__)


def test_a_command_keeps_its_functions_name_and_words():
    from glr import score

    assert (score.main.__name__, score.main.__doc__) == ("main", score.main.__wrapped__.__doc__)
