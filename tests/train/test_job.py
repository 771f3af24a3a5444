"""A job is claimed and recorded while it is open, and settled when it ends."""

import base64
import json
import zlib
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from glr.config.composition import composition
from glr.config.identity import Identity, settings_of
from glr.config.log import logged
from glr.config.run_names import VARYING_VARIABLE
from glr.data.prepared import PreparedData
from glr.devices.workers import Worker
from glr.errors import DivergedError, GlrError
from glr.sweep.past import finished
from glr.tracking.description import NOTE
from glr.tracking.recorder import Unrecorded
from glr.tracking.run import PARENT_VARIABLE, LostError
from glr.tracking.sender import send_left_behind
from glr.tracking.store import connect
from glr.train.job import opened


@pytest.fixture
def config(work: Path, small_data: PreparedData, monkeypatch: pytest.MonkeyPatch):
    """A job's settings, composed as Hydra does before it calls the command."""
    places = [f"tracking.uri=sqlite:///{work}/mlruns/mlflow.db", f"tracking.journal={work}/journal"]
    places += [
        f"tracking.artifacts={work}/artifacts",
        f"checkpoint.path={work}/checkpoints",
        f"data.path={small_data.path}",
        "study=jobs",
    ]
    job = composition("train", ("backbone=small_cnn", "head=arcface", *places))
    whole = OmegaConf.create({"hydra": job.hydra})
    whole.hydra.runtime.choices = dict(job.choices)  # an assembled job shares Hydra's node with others
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    HydraConfig.instance().set_config(whole)
    return job.settings


def test_a_finished_job_leaves_a_run_with_its_identity_and_no_checkpoints(config, small_data: PreparedData):
    with opened(config, small_data, None, Worker()) as job:
        job.run.metrics({"loss": 0.5}, 1)
        assert (Path(job.claim.folder) / "run.json").is_file()
        with pytest.raises(GlrError, match="another process"), opened(config, small_data, None, Worker()):
            pass
    identity = Identity(settings_of(config), small_data.digest)
    run = connect(config.tracking.uri).get_run(job.run.id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["loss"] == 0.5
    tags = ("key", "configuration", "data_digest")
    assert [run.data.tags[tag] for tag in tags] == [identity.key, identity.configuration, small_data.digest]
    assert not Path(job.claim.folder).exists()


def test_a_job_of_a_sweep_shows_its_scores_in_the_studys_view(config, small_data, monkeypatch: pytest.MonkeyPatch):
    client = connect(config.tracking.uri)
    study = client.create_experiment("jobs")
    client.set_experiment_tag(study, NOTE, "of the sweep")
    monkeypatch.setenv(PARENT_VARIABLE, client.create_run(study).info.run_id)
    monkeypatch.setenv(VARYING_VARIABLE, '{"seed": "seed"}')
    with opened(config, small_data, None, Worker()) as job:
        job.run.metrics({"public_score": 0.5}, 1)
    assert job.run.pages.endswith("&viewStateShareKey=glr")
    tags = client.get_experiment(study).tags
    assert tags[NOTE] == "of the sweep"
    packed = json.loads(tags["mlflow.sharedViewState.glr"])["state"].removeprefix("deflate;")
    columns = json.loads(zlib.decompress(base64.b64decode(packed)))["selectedColumns"]
    assert columns[:2] == ["metrics.`public_score`", "params.`seed`"]


def test_a_job_whose_run_is_deleted_fails_and_keeps_its_checkpoints_until_everything_is_sent(config, small_data):
    client = connect(config.tracking.uri)
    with pytest.raises(LostError, match="was deleted in MLflow"), opened(config, small_data, None, Worker()) as job:
        client.delete_run(job.run.wait())
    assert json.loads((Path(job.claim.folder) / "run.json").read_text())["complete"]
    client.restore_run(job.run.id)
    assert send_left_behind(Path(config.tracking.journal), config.tracking.uri) == (1, [])
    assert client.get_run(job.run.id).info.status == "FINISHED"


def test_a_diverged_job_does_not_refuse_other_settings(config, small_data: PreparedData):
    with pytest.raises(DivergedError), opened(config, small_data, None, Worker()) as job:
        raise DivergedError("the loss became nan at step 1")
    assert json.loads((Path(job.claim.folder) / "run.json").read_text())["abandoned"]
    run = connect(config.tracking.uri).get_run(job.run.id)
    assert (run.info.status, run.data.tags["diverged"]) == ("FAILED", "True")


def test_workers_other_than_the_chief_claim_and_record_nothing(config, small_data: PreparedData, tmp_path: Path):
    with opened(config, small_data, None, Worker(1, 2)) as job:
        assert isinstance(job.run, Unrecorded)
    assert not (tmp_path / "checkpoints").exists()
    assert not (tmp_path / "journal").exists()


def test_several_workers_take_no_sweep(config, small_data: PreparedData, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(PARENT_VARIABLE, "0" * 32)
    with pytest.raises(GlrError, match="cannot run a sweep"), opened(config, small_data, None, Worker(0, 2)):
        pass


def test_the_log_of_a_run_is_stored_with_it_and_continues_when_it_does(
    config, small_data: PreparedData, tmp_path: Path
):
    def work(number: int, *, fails: bool) -> str | None:
        with logged(tmp_path / f"{number}/log.txt") as log, opened(config, small_data, None, Worker(), log) as job:
            print(f"process {number}\x1b[2J of http://me:word@host")
            if fails:
                raise GlrError("no such luck")
        print("not logged")
        return job.run.id

    with pytest.raises(GlrError):
        work(1, fails=True)
    first = "process 1\\x1b[2J of http://***@host\nerror: no such luck\n"
    assert (tmp_path / "1/log.txt").read_text() == first
    run = work(2, fails=False)
    second = "process 2\\x1b[2J of http://***@host\n"
    assert (tmp_path / "2/log.txt").read_text() == second
    stored = connect(config.tracking.uri).download_artifacts(run, "log.txt")
    assert Path(stored).read_text() == first + second


def test_a_debug_run_is_of_a_kind_of_its_own(config, small_data: PreparedData):
    config.debug.steps = 2
    with opened(config, small_data, None, Worker()) as job:
        pass
    run = connect(config.tracking.uri).get_run(job.run.id)
    assert (run.data.tags["kind"], run.data.tags["debug"]) == ("debug", "settings")
    assert run.info.run_name == "small_cnn-arcface-debug-settings"
    assert finished(config.tracking.uri, config.study, Identity(settings_of(config), small_data.digest)) is None


@pytest.mark.parametrize(("resume", "keeps"), [("never", False), ("auto", True)])
def test_a_failed_debug_run_that_never_continues_leaves_nothing_to_continue(
    config, small_data: PreparedData, tmp_path: Path, resume: str, keeps: bool
):
    config.debug.steps, config.resume = 2, resume
    with (
        pytest.raises(GlrError),
        logged(tmp_path / "log.txt") as log,
        opened(config, small_data, None, Worker(), log) as job,
    ):
        raise GlrError("no such luck")
    assert sorted(file.name for file in Path(job.claim.folder).glob("*")) == (["log.txt", "run.json"] if keeps else [])
    assert Path(job.claim.folder).exists() == keeps
    assert connect(config.tracking.uri).get_run(job.run.id).info.status == "FAILED"
