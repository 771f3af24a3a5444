"""A command line that would run a job twice, or keep a search outside a file, is refused before anything starts."""

from pathlib import Path

import pytest

from glr.config.check import check_command_line
from glr.errors import GlrError
from glr.tuning.search import Search
from tests.conftest import here
from tests.processes.forks import Forks
from tests.tuning.test_search import SPACE, Launcher, search, settings, states

SLURM, LOCAL = "hydra/launcher=submitit_slurm", "hydra/launcher=submitit_local"


@pytest.mark.parametrize("line", [[SLURM], [LOCAL], ["sweep=backbones", SLURM], [SLURM, "strategy=gpu"]])
@pytest.mark.parametrize("key", ["tasks_per_node", "nodes"])
def test_each_job_twice(line: list[str], key: str):
    with pytest.raises(
        GlrError, match=rf"hydra\.launcher\.{key}=2: 2 processes would run each job; only strategy=multi"
    ):
        check_command_line("train", [*line, "seed=1,2", f"hydra.launcher.{key}=2"], multirun=True)


@pytest.mark.parametrize("option", ["nodes", "ntasks", "ntasks_per_node"])
def test_each_job_twice_by_an_option_of_sbatch(option: str):
    key = f"hydra.launcher.additional_parameters.{option}"
    with pytest.raises(GlrError, match=rf"{key}=2: 2 processes would run each job"):
        check_command_line("train", [SLURM, "seed=1,2", f"+{key}=2"], multirun=True)


def test_several_workers_of_one_job():
    line = ["seed=1,2", SLURM, "hydra.launcher.nodes=2", "strategy=multi_worker"]
    _, jobs = check_command_line("train", line, multirun=True)
    assert len(jobs or []) == 2


@pytest.mark.parametrize(
    "storage",
    [
        "sqlite:///x.db",
        "postgresql://user:S3cretPw@host/db",
        "postgresql+psycopg2://user@host/db",
        "redis://:S3cretPw@host:6379/0",
        "gs://bucket/searches.journal",
        "file:///tmp/searches.journal",
    ],
)
def test_a_search_in_a_place_that_is_no_file(tmp_path: Path, storage: str):
    output = here("train", "hydra/sweeper=optuna", f"hydra.sweeper.storage='{storage}'", RANGE, "-m", cwd=tmp_path)
    scheme = storage.split(":")[0]
    assert output.startswith(
        f"error: hydra.sweeper.storage={scheme}://...: a search is kept in a file that all its machines"
    )
    assert "S3cretPw" not in output
    assert list(tmp_path.iterdir()) == []


RANGE = "optimizer.learning_rate=interval(0.1,0.2)"


def test_a_killed_search_goes_on_under_another_host_name(processes: Forks, tmp_path: Path, monkeypatch):
    script = f"""
import os, socket
from pathlib import Path
from tests.tuning.test_search import *
socket.gethostname = lambda: "pod-1"
search(Path({str(tmp_path)!r}), lambda jobs, first: os._exit(9), n_trials=2)
"""
    assert processes.run(script, command="-c", cwd=tmp_path) == 9
    monkeypatch.setattr("socket.gethostname", lambda: "pod-2")
    assert states(search(tmp_path, n_trials=2)) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert not list(tmp_path.glob("*.running"))


def test_the_trials_of_a_living_search_are_left_to_it(tmp_path: Path):
    launcher = Launcher()

    def launch(jobs: list[list[str]], first: int) -> list:
        assert states(Search(SPACE, {"epochs": 3}, settings(tmp_path)))[-1] == "RUNNING"
        return launcher(jobs, first)

    assert states(search(tmp_path, launch, n_trials=2)) == ["COMPLETE"] * 2
