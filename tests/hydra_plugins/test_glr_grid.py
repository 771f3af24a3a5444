"""The sweeper `grid` launches the jobs of the command line, in batches."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from glr.config.installation import CONF
from glr.config.jobs import jobs_of_line
from glr.errors import GlrError
from hydra_plugins.glr_grid import GridSweeper

LINE = ["seed=range(5)", "name=x"]


@pytest.fixture(autouse=True)
def _set(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(store.parents[1])  # which holds the data set that the jobs name


class Launcher:
    def __init__(self, failing: int | None = None):
        self.batches, self._failing = [], failing

    def launch(self, jobs, initial_job_idx):
        self.batches.append((initial_job_idx, jobs))
        results = [JobReturn(status=JobStatus.COMPLETED) for _ in jobs]
        if self._failing is not None and initial_job_idx <= self._failing < initial_job_idx + len(jobs):
            failed = results[self._failing - initial_job_idx]
            failed.status, failed.return_value = JobStatus.FAILED, GlrError("no luck")
        return results


def swept(folder: Path, batch: int | None, launcher: Launcher) -> Launcher:
    places = [f"hydra.sweep.dir={folder}/out", f"tracking.uri=sqlite:///{folder}/mlruns/mlflow.db"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", places, return_hydra_config=True)
        assert config.hydra.sweeper._target_ == "hydra_plugins.glr_grid.GridSweeper"
        config.hydra.overrides.task = LINE
        sweeper = GridSweeper(batch, None)
        sweeper._config, sweeper._launcher = config, launcher
        sweeper.sweep(LINE)
    return launcher


def test_every_job_is_launched_once(work: Path):
    for batch, firsts in ((None, [0]), (2, [0, 2, 4]), (5, [0]), (9, [0])):
        launcher = swept(work, batch, Launcher())
        assert [first for first, _ in launcher.batches] == firsts
        assert [job for _, jobs in launcher.batches for job in jobs] == jobs_of_line("train", LINE, multirun=True)[1]
        multirun = work / "out/multirun.yaml"
        assert OmegaConf.load(multirun).hydra.overrides.task == LINE
        multirun.unlink()


def test_the_others_go_on_when_a_job_fails_and_the_end_tells_of_all(work: Path, capsys: pytest.CaptureFixture):
    launcher = Launcher(failing=1)
    with pytest.raises(GlrError, match=r"^1 of 5 jobs failed: 2 \(seed=1\)$"):
        swept(work, 2, launcher)
    assert len(launcher.batches) == 3
    printed = capsys.readouterr().out
    assert "job 2 failed: no luck" in printed
    assert printed.count(" finished ") == 4


def test_a_batch_holds_a_job(work: Path):
    for batch in (0, -1):
        with pytest.raises(GlrError, match=f"hydra.sweeper.max_batch_size={batch}: expected at least 1"):
            swept(work, batch, Launcher())
