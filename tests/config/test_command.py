"""Every mistake on the command line is answered in one sentence, at once, and before any job starts."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glr.config.command import JobFunction, main_of
from glr.errors import PREEMPTED
from glr.sweep import sweep
from tests.conftest import here
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
        ("train.epochs=abc", "train.epochs=abc: expected a whole number"),
        ("-cn nonexist", "--config-name=nonexist: the settings of train are those of conf/train.yaml"),
        ("--config-dir /none", "--config-dir /none: there is no such folder"),
        ("name=ü#(1) train.epochs=abc", "train.epochs=abc: expected a whole number"),
        ("hydra/launcher=ray -m", "hydra/launcher=ray is not installed; pip install '.[ray]'"),
        (
            "hydra/launcher=tpu_vm",
            "hydra/launcher=tpu_vm: a launcher runs the jobs of a sweep, also of a single one; add -m",
        ),
        ("hydra/sweeper=optuna hydra.sweeper.n_trialz=1 seed=range(9) -m", "hydra.sweeper.n_trialz is not a setting"),
    ],
)
def test_mistake_is_one_sentence(light: Forks, line: str, sentence: str, tmp_path: Path):
    done = light.output(*line.split(), cwd=tmp_path)
    assert done.returncode == 1
    (message,) = done.stderr.splitlines()
    assert message.startswith("error: ")
    assert sentence in message
    assert list(tmp_path.iterdir()) == []


def test_mistake_in_a_later_job_stops_the_sweep_before_its_first(light: Forks, tmp_path: Path):
    values = ",".join(str(n) for n in range(1, 12))
    done = light.output(f"train.epochs={values},twelve", "-m", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: job 12 of 12 (train.epochs=twelve): train.epochs=twelve: expected a whole number"
    )
    assert list(tmp_path.iterdir()) == []


def test_overrides_may_stand_on_both_sides_of_m(light: Forks, tmp_path: Path):
    done = light.output("train.epochs=1,x", "-m", "seed=3,4", cwd=tmp_path)
    assert "job 3 of 4 (train.epochs=x seed=3)" in done.stderr


def test_a_setting_may_belong_to_a_choice_that_is_swept(light: Forks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The default choice has no `whitening.dimension`; the setting reaches the jobs' processes all the same."""
    launched: list[list[str]] = []
    monkeypatch.setattr(sweep, "run", lambda jobs, *_: launched.extend(job.overrides for job in jobs))
    here("evaluate", "whitening=pca,pca", "whitening.dimension=8", "neighbors=1,2", "-m", cwd=tmp_path)
    expected = [["whitening=pca", "whitening.dimension=8", f"neighbors={n}"] for _ in range(2) for n in (1, 2)]
    assert [job[1:] for job in launched] == expected  # the first says where the store is
    done = light.output("head=arcface,adacos_semi", "head.margin=0.3", "-m", cwd=tmp_path)
    refusal = "error: job 2 of 2 (head=adacos_semi): head.margin is a setting of head=arcface"
    assert done.stderr.startswith(refusal)
    assert done.stderr.endswith(" only; leave out head.margin or head=adacos_semi\n")


@pytest.mark.parametrize(
    "command",
    [
        "train",
        "prepare",
        "evaluate",
        "search",
        "score",
        "ensemble",
        "export",
        "compare",
        "record",
        "preflight",
        "fleet",
    ],
)
def test_help_explains_and_imports_nothing_heavy(light: Forks, command: str, tmp_path: Path):
    done = light.output("--help", command=command, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python -m glr.{command}" in done.stdout
    assert "Settings (key=value)" in done.stdout


@pytest.mark.parametrize("name", ["train", "prepare"])
def test_launchers_send_a_job_by_the_name_of_its_command(name: str):
    sent = pickle.dumps(JobFunction(name, print))
    assert b"glr.config.command" in sent
    assert len(sent) < 100  # a name, no function
    received = pickle.loads(sent)
    assert received._task is main_of(name).__wrapped__
    assert received.__module__ == f"glr.{name}"


def test_cfg_job_prints_the_config_of_a_sweep_that_of_its_first_job(light: Forks, tmp_path: Path):
    done = light.output("head=arcface", "head.margin=0.25", "--cfg", "job", "--package", "head", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "margin: 0.25" in done.stdout
    done = light.output("sweep=heads", "--cfg", "job", "--package", "head.label", cwd=tmp_path)
    shown = "this is job 1 of 8: sweep.name=heads head=adacos_fixed\n"
    assert (done.stdout.strip(), done.stderr) == ("AdaCos(Fixed)", shown)


def test_a_reader_that_goes_away_is_no_fault():
    """`python -m glr.train --help | head`: no traceback."""
    line = [sys.executable, "-m", "glr.train", "--help"]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        started.stdout.close()
        assert started.stderr.read() == b""
    assert started.returncode == 1


def test_a_command_keeps_its_functions_name_and_words():
    from glr import score

    assert (score.main.__name__, score.main.__doc__) == ("main", score.main.__wrapped__.__doc__)


def test_a_signal_during_an_import_ends_a_command_as_at_any_other_time(tmp_path: Path):
    plugin = """
import os, signal, sys
if hasattr(sys, "half_imported"):
    raise NameError("name 'coroutines' is not defined")
sys.half_imported = True
os.kill(os.getpid(), signal.SIGTERM)
"""
    (tmp_path / "hydra_plugins/slow").mkdir(parents=True)
    (tmp_path / "hydra_plugins/slow/__init__.py").write_text(plugin)
    done = glr("--cfg", "job", cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (done.returncode, done.stdout) == (PREEMPTED, "")
