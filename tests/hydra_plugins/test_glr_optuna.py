"""The sweeper `optuna` launches what the search chooses, with what the command line fixes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from glr.config.installation import CONF
from hydra_plugins.glr_optuna import OptunaSweeper


class Launcher:
    def __init__(self):
        self.batches: list[list[list[str]]] = []

    def launch(self, jobs: Sequence[list[str]], initial_job_idx: int) -> list[JobReturn]:
        assert initial_job_idx == sum(map(len, self.batches))
        self.batches.append(list(jobs))
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=0.5) for _ in jobs]


def test_jobs_have_the_fixed_settings_and_chosen_values(tmp_path: Path):
    sweeper = OptunaSweeper(n_trials=5, n_jobs=2, storage=str(tmp_path / "journal"), study_name="it")
    line = ["head=arcface", "head.margin=interval(0.1,0.5)", "seed=choice(1,2)"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", ["head=arcface", f"hydra.sweep.dir={tmp_path}/out"], return_hydra_config=True)
        config.hydra.overrides.task = line
        sweeper._config, sweeper._launcher = config, Launcher()
        sweeper.sweep(line)
    assert [len(batch) for batch in sweeper._launcher.batches] == [2, 2, 1]
    for job in (job for batch in sweeper._launcher.batches for job in batch):
        assert job[0] == "head=arcface"
        chosen: dict[str, Any] = {o.key_or_group: o.value() for o in OverridesParser.create().parse_overrides(job[1:])}
        assert chosen.keys() == {"head.margin", "seed", "sweep.trial"}
        assert 0.1 <= chosen["head.margin"] <= 0.5
        assert chosen["seed"] in (1, 2)
    assert OmegaConf.load(tmp_path / "out/multirun.yaml").hydra.overrides.task == line


def test_the_sweepers_own_params_are_searched(tmp_path: Path):
    sweeper = OptunaSweeper(n_trials=3, storage=str(tmp_path / "journal"), study_name="it")
    hydras = [
        "hydra/sweeper=optuna",
        f"hydra.sweep.dir={tmp_path}/out",
        "++hydra.sweeper.params={seed:'range(4,9)',name:x}",
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", hydras, return_hydra_config=True)
        config.hydra.overrides.task = ["name=y"]
        sweeper._config, sweeper._launcher = config, Launcher()
        sweeper.sweep(["name=y"])
    jobs = [job for batch in sweeper._launcher.batches for job in batch]
    assert [job[0] for job in jobs] == ["name=y"] * 3
    assert all(job[1] in [f"seed={seed}" for seed in range(4, 9)] for job in jobs)
