"""What earlier runs, in a real store, make unnecessary."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from mlflow import MlflowClient

from glr.config.check import composed
from glr.config.identity import Identity
from glr.config.installation import CONF
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.sweep.job import Job, JobState
from glr.sweep.past import identify, planned, skip
from glr.tracking.store import connect


def identity(name: str, digest: str = "abc") -> Identity:
    return Identity({"name": name}, digest)


def recorded(client: MlflowClient, study: str, name: str, status: str, kind: str = "train", **tags: str) -> None:
    known = client.get_experiment_by_name(study)
    experiment = known.experiment_id if known else client.create_experiment(study)
    tags = {"kind": kind, "key": identity(name).key, "data_digest": "abc"} | tags
    run = client.create_run(experiment, tags=tags).info.run_id
    client.log_metric(run, "public_score", 0.25)
    client.log_param(run, "evaluate.score", "gap")
    if status != "RUNNING":
        client.set_terminated(run, status)


@pytest.fixture
def uri(store: Path) -> str:
    """Six jobs in two studies; some ran more than once."""
    client = connect(uri := f"sqlite:///{store}")
    recorded(client, "one", "finished", "FAILED", failure="it was tired")
    recorded(client, "one", "finished", "FINISHED")
    recorded(client, "one", "failed", "FINISHED")
    recorded(client, "one", "failed", "FAILED", failure="it was tired")
    recorded(client, "one", "killed", "KILLED")
    recorded(client, "one", "lost", "RUNNING")  # its process went without a word
    recorded(client, "two", "other", "FINISHED")
    recorded(client, "two", "swept", "FINISHED", kind="sweep")  # a parent has a key, too, which is no job's
    return uri


def settled(uri: str, rerun: str, *keys: tuple[str, str]) -> list[Job]:
    jobs = [Job(n, [], key, Path(), identity(key), study) for n, (key, study) in enumerate(keys, start=1)]
    skip(jobs, uri, rerun)
    return jobs


ALL = [(key, "one") for key in ("finished", "failed", "killed", "lost", "new")] + [("other", "two"), ("swept", "two")]


@pytest.mark.parametrize(
    ("rerun", "left_out"),
    [("failed", {"finished", "other"}), ("none", {"finished", "other", "failed"}), ("all", set())],
)
def test_what_is_left_out(uri: str, rerun: str, left_out: set[str]):
    jobs = {job.shown: job for job in settled(uri, rerun, *ALL)}
    assert {key for key, job in jobs.items() if job.state != JobState.WAITING} == left_out
    if rerun == "none":
        assert (jobs["failed"].state, jobs["failed"].reason) == (JobState.LEFT, "it was tired")
        assert (jobs["finished"].state, jobs["finished"].score) == (JobState.SKIPPED, 0.25)
        assert jobs["finished"].scores == {"public/gap": 0.25}


def test_other_studies_do_not_count(uri: str):
    (job,) = settled(uri, "failed", ("finished", "a study that is not there"))
    assert job.state == JobState.WAITING
    (job,) = settled(uri, "failed", ("finished", "two"))
    assert job.state == JobState.WAITING


@pytest.mark.parametrize("rerun", ["failed", "all"])
def test_a_job_that_stands_twice_in_a_sweep_runs_once(uri: str, rerun: str):
    first, second = settled(uri, rerun, ("new", "one"), ("new", "one"))
    assert (first.state, second.state, second.reason) == (JobState.WAITING, JobState.SKIPPED, "the same as job 1")


def test_a_run_on_other_data_is_another_job(uri: str):
    job = Job(1, [], "finished", Path(), identity("finished", "def"), "one")
    skip([job], uri, "failed")
    assert job.state == JobState.WAITING


def test_a_set_is_prepared_before_its_jobs_are_judged(tmp_path: Path, class_folders: Path):
    """Two spellings of a set's path give the same job; a job whose set is missing has no identity."""
    images = [f"data.source.path={class_folders}", "data=folder"]
    paths = [f"data.path={tmp_path}/set", f"data.path={tmp_path}/./set/", f"data.path={tmp_path}/another"]
    configs = [composed("train", [*images, path])[0] for path in paths]
    configs[2].data.prepare_when_missing = False
    jobs = [Job(number, [], "", Path()) for number in (1, 2, 3)]
    identify(jobs, configs)
    assert jobs[0].identity == jobs[1].identity
    assert jobs[0].identity.digest == PreparedData(tmp_path / "set").digest
    assert jobs[2].identity is None


def test_a_job_comes_after_the_job_that_trains_its_weights(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(store.parents[1])
    lines = [
        ["name=b", "init_from.run=a"],
        ["name=a"],
        ["name=c", "init_from.run=a"],
        ["name=d", "init_from.run=demo/c"],
    ]
    configs = [composed("train", [*line, f"tracking.uri=sqlite:///{store}"])[0] for line in lines]
    jobs = [Job(number, [], "", Path()) for number in (1, 2, 3, 4)]
    identify(jobs, configs)
    assert [job.after and job.after.number for job in jobs] == [None, None, 2, 3]
    assert [job.identity is None for job in jobs] == [True, False, True, True]


def test_jobs_without_keys_all_run(uri: str):
    jobs = [Job(1, [], "", Path()), Job(2, [], "", Path())]
    skip(jobs, uri, "failed")
    assert [job.state for job in jobs] == [JobState.WAITING, JobState.WAITING]


def planned_with(subdir: str, *lines: str) -> list[str]:
    """The folders of the jobs of an evaluation, which need no store."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        hydras = ["hydra.sweep.dir=out", f"hydra.sweep.subdir={subdir}"]
        config = compose("evaluate", hydras, return_hydra_config=True)
        return [str(job.folder) for job in planned(config, [line.split() for line in lines], first=4)]


def test_a_job_has_the_folder_that_hydra_would_give_it():
    lines = ["neighbors=1 study=a", "neighbors=2 study=b"]
    assert planned_with("${hydra.job.num}", *lines) == ["out/4", "out/5"]
    assert planned_with("${study}/${neighbors}-${hydra.job.num}", *lines) == ["out/a/1-4", "out/b/2-5"]
    names = [f"out/{line.replace(' ', ',')}" for line in lines]
    assert planned_with("${hydra.job.override_dirname}", *lines) == names
    with pytest.raises(GlrError, match=r"jobs 5 and 6 would share the folder out/x; add \$\{hydra\.job\.num\} to it"):
        planned_with("x", *lines)
