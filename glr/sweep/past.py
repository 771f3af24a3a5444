"""The jobs of a sweep; finished jobs are skipped, and failed jobs are skipped on request."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from glr.config import searchpath
from glr.config.identity import Identity
from glr.config.jobs import differing, settings_of_job
from glr.config.usages import main_metric, main_score
from glr.errors import GlrError
from glr.sweep.inputs import Inputs, Makers
from glr.sweep.job import Job, JobState

if TYPE_CHECKING:
    from glr.tracking.history import PastRun  # a slow import, which only sweeps need


def planned(config: DictConfig, overrides: Sequence[Sequence[str]], first: int = 0) -> list[Job]:
    """The jobs of a sweep or of one of its batches; only jobs that must run are WAITING (see `skip`).

    Args:
        config: the config that Hydra gives a sweep's launcher.
        overrides: each job's overrides.
        first: the number of jobs in earlier batches.
    """
    folder = Path(config.hydra.sweep.dir)
    hydra: Any = OmegaConf.to_container(config.hydra, resolve=False)
    jobs = [
        Job(number + 1, list(line), shown, folder / _subfolder(hydra, line, number))
        for number, (line, shown) in enumerate(zip(overrides, differing(overrides), strict=True), start=first)
    ]
    for job in jobs:
        if (other := next(each for each in jobs if each.folder == job.folder)) is not job:
            raise GlrError(
                f"hydra.sweep.subdir: jobs {other.number} and {job.number} would share the folder {job.folder}; "
                "add ${hydra.job.num} to it"
            )
    if config.hydra.job.config_name == "train":  # other commands' jobs have no identities
        identify(jobs, [settings_of_job(config, job.overrides) for job in jobs])
        skip(jobs, config.tracking.uri, config.sweep.rerun.name)
    return jobs


def _subfolder(hydra: Mapping[str, Any], overrides: Sequence[str], number: int) -> str:
    """The value of hydra.sweep.subdir in a job, of the sweep's unresolved node `hydra`."""
    if hydra["sweep"]["subdir"] == "${hydra.job.num}":
        return str(number)  # without Hydra's 60 ms per job
    line = [*hydra["overrides"]["hydra"], *overrides, f"hydra.job.num={number}"]
    with searchpath.hydra():
        job = compose(hydra["job"]["config_name"], line, return_hydra_config=True)
    return job.hydra.sweep.subdir


def identify(jobs: Sequence[Job], configs: Sequence[DictConfig]) -> None:
    """Give train jobs their identities and studies; first prepare missing data sets if the config says so.

    A job whose data set or initial weights are missing gets no identity. It comes after the job that trains the
    weights, if there is one; else it reports the mistake when it runs.

    Args:
        jobs: a sweep's jobs.
        configs: each job's config, composed from conf/train.yaml.
    """
    inputs, makers = Inputs(), Makers[Job]()
    for job, config in zip(jobs, configs, strict=True):
        job.study = config.study
        try:
            job.identity = inputs.identity(config)
        except Exception:  # a user's own source may raise anything
            job.after = makers.of(config)
        makers.add(config, job)


def skip(jobs: Sequence[Job], uri: str, rerun: str) -> None:
    """Mark the jobs that need not run as SKIPPED or LEFT; the others stay WAITING.

    Args:
        jobs: jobs with their identities and studies.
        uri: address of the MLflow store.
        rerun: the ended jobs to run again: `failed`, `all` or `none`.
    """
    first: dict[str, Job] = {}
    for job in jobs:
        if job.identity is not None and (same := first.setdefault(job.identity.folder, job)) is not job:
            job.state, job.reason = JobState.SKIPPED, f"the same as job {same.number}"
    if rerun == "all":
        return
    newest = _newest(uri, {job.study for job in jobs if job.study is not None})
    for job in jobs:
        run = None if job.identity is None else newest.get((job.identity.key, job.identity.digest))
        if run is None or job.state != JobState.WAITING:
            continue
        if _is_finished(run):
            job.state, job.score = JobState.SKIPPED, main_score(run.metrics)
            if job.score is not None and "evaluate.score" in run.params:
                job.scores = {main_metric(run.metrics, run.params["evaluate.score"]): job.score}
        elif run.status == "FAILED" and rerun == "none":
            job.state, job.reason = JobState.LEFT, run.tags.get("failure")


def finished(uri: str, study: str, identity: Identity) -> "PastRun | None":
    """Return the newest run of a job if this run has finished; else, or if the store does not answer, return None."""
    try:
        run = _newest(uri, [study], f"tags.key = '{identity.key}'").get((identity.key, identity.digest))
    except Exception:  # each kind of store has its own errors, and none of them may end a run
        return None
    return run if run and _is_finished(run) else None


def _is_finished(run: "PastRun") -> bool:
    return run.status == "FINISHED" and "pruned" not in run.tags


def _newest(uri: str, studies: Iterable[str], query: str = "tags.key != ''") -> "dict[tuple[str, str | None], PastRun]":
    """The newest train run of each (key, digest of the data) among those that an MLflow query finds."""
    from glr.tracking.history import runs_of
    from glr.tracking.store import connect

    runs = runs_of(connect(uri), studies, f"tags.kind = 'train' and {query}", missing_ok=True)
    return {(run.tags["key"], run.tags.get("data_digest")): run for run in runs}
