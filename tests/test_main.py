"""`python -m glr`, and the console script `glr`, whose main module is not the command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glr.config.completion import script
from glr.config.installation import CONF
from tests.conftest import ROOT

# What pip writes into the console script.
SCRIPT = ["-c", "import sys; from glr.__main__ import main; sys.exit(main())"]


def started(*line: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *line], cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_every_command_is_listed_with_what_it_does(arguments: list[str]):
    done = started("-X", "importtime", "-m", "glr", *arguments)
    listed = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  "))
    assert done.returncode == 0
    assert listed.keys() == {file.stem for file in CONF.glob("*.yaml")}
    assert listed["train"].startswith("compose, train, score and log a run")
    assert not {"hydra", "numpy"} & {line.split("|")[-1].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize(
    ("name", "hint"), [("trian", "did you mean train?"), ("glr.train", "did you mean train?"), ("x", "glr lists them")]
)
def test_unknown_command_is_one_sentence(name: str, hint: str):
    done = started("-m", "glr", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: there is no command {name}; {hint}\n"


@pytest.mark.parametrize("start", [["-m", "glr"], SCRIPT], ids=["module", "script"])
def test_the_jobs_of_a_sweep_run_the_same_command(start: list[str], work: Path):
    """Jobs of `evaluate` that have nothing to evaluate fail before they import TensorFlow."""
    done = started(*start, "evaluate", "neighbors=1,2", "-m", cwd=work)
    reason = "give run=NAME (or its id), or model=FOLDER of a SavedModel: one of them"
    assert done.stdout.count(f"\nerror: {reason}\n") == 2
    assert done.stderr == "error: 2 of 2 jobs failed: 1 (neighbors=1); 2 (neighbors=2)\n"


@pytest.mark.parametrize("start", [["-m", "glr.prepare"], ["-m", "glr.train"], [*SCRIPT, "train"]])
def test_hydra_names_the_job_after_the_command(start: list[str]):
    done = started(*start, "--cfg", "hydra", "--package", "hydra.job")
    assert f"\nname: {start[-1].removeprefix('glr.')}\n" in done.stdout


@pytest.mark.parametrize("line", [["-m", "glr"], ["-m", "glr.train"]])
def test_completion_is_installed_by_either_way_to_start(line: list[str]):
    done = started(*line, "-sc", "install=bash")
    assert (done.stdout, done.stderr) == (script("install=bash"), "")


def test_a_line_is_completed(monkeypatch: pytest.MonkeyPatch):
    for line, words in (("python -m glr.tr", "glr.train"), ("glr train head=arc", "head=arcface")):
        monkeypatch.setenv("COMP_LINE", line)
        done = started("-m", "glr", "-sc", "query=bash")
        assert (done.stdout.split(), done.stderr) == ([words], "")
