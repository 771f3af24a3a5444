"""Sweeps that cannot work are refused before anything is recorded."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from omegaconf import DictConfig

from glr.config.composition import composition
from glr.config.jobs import jobs_of, launchable
from glr.errors import GlrError
from glr.sweep.inputs import refuse, refuse_lost_runs


def swept(*overrides: str, command: str = "train") -> DictConfig:
    """The config that Hydra gives the callbacks and the launcher of a sweep."""
    config = composition(command, []).hydra._get_root().copy()
    config.hydra.job.config_name = command
    config.hydra.overrides.task = launchable(list(overrides))
    return config


@pytest.fixture(autouse=True)
def _work(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(store.parents[1])  # data/demo has 1,800 train images, and fewer with a validation share


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["seed=1,2", "train.batch_size=16,100000"],
            "job 2 of 4 (seed=1 train.batch_size=100000): train.batch_size=100000",
        ),
        (
            ["seed=1,2", "data.path=data/demo,none", "data.prepare_when_missing=false"],
            "job 2 of 4 (seed=1 data.path=none",
        ),
        (
            ["init_from.file=null,lost.weights.h5", "seed=1"],
            "job 2 of 2 (init_from.file=lost.weights.h5): init_from",
        ),
        (
            ["data.train_on_validation=true"],
            "the job: data.train_on_validation=true, but data/demo was prepared without",
        ),
        (
            ["experiment=published/06b_resnet152_v2_finetune,published/06_resnet152_v2", "data=demo"],
            "job 1 of 2 (experiment=published/06b_resnet152_v2_finetune): init_from.run=06_resnet152_v2: neither a run",
        ),
        (["name=a", "head=arcface,cosface"], "job 2 of 2 (head=cosface): job 1 has the same name, a, and other"),
        (
            ["name=a,b", "seed=1,2", "model.embedding_size=64,128"],
            "job 2 of 8 (name=a seed=1 model.embedding_size=128): job 1 has the same name",
        ),
    ],
)
def test_what_cannot_work_is_refused(overrides: list[str], sentence: str):
    with pytest.raises(GlrError, match=f"^{re.escape(sentence)}"):
        refuse(swept(*overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        ["head=arcface,cosface", "seed=1,2"],  # without names
        ["name=a", "seed=1,2"],  # one configuration
        ["name=a", "study=x,y"],  # no two jobs of a study
        ["name=a,b", "train.batch_size=8"],
        ["name=${study}-${seed}", "seed=1,2", "head=arcface"],
        ["experiment=published/06_resnet152_v2,published/06b_resnet152_v2_finetune", "data=demo"],  # 06b starts from 06
    ],
)
def test_other_sweeps_are_not(overrides: list[str]):
    refuse(swept(*overrides))


def test_only_jobs_in_slurm_are_left_to_themselves():
    config = swept("seed=1,2")
    config.sweep.detach = True
    with pytest.raises(GlrError, match=r"^sweep.detach=true belongs to hydra/launcher=submitit_slurm and a grid of "):
        refuse(config)
    config.hydra.launcher._target_ = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"
    refuse(config)


def test_a_sweep_over_runs_names_the_first_that_the_store_lacks(new_store: Callable[[Path], Path], tmp_path: Path):
    uri = f"sqlite:///{new_store(tmp_path)}"
    client = MlflowClient(uri)
    client.create_run(client.create_experiment("one"), run_name="kept")

    def check(*overrides: str) -> None:
        config = swept(f"tracking.uri={uri}", *overrides, command="evaluate")
        refuse_lost_runs(config, jobs_of(config))

    check("run=kept", "whitening=none,pca")
    with pytest.raises(GlrError, match=r"^job 3 of 4 \(run=lost whitening=none\): there is no run .* lost in sqlite"):
        check("run=kept,lost", "whitening=none,pca")
