"""The inputs of a sweep's jobs: each data set and each file of initial weights is opened once for all its jobs."""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from glr.config.identity import Identity, settings_of
from glr.config.jobs import job_in_words, jobs_of, settings_of_job
from glr.config.run_names import run_name
from glr.errors import GlrError, in_words

if TYPE_CHECKING:
    from glr.data.prepared import PreparedData  # a slow import, which only sweeps need

_T = TypeVar("_T")


class Makers(Generic[_T]):
    """Finds the earlier job of a sweep whose run another job starts from, by the name that both configs give."""

    def __init__(self):
        self._jobs: dict[tuple[str, str], _T] = {}

    def add(self, config: DictConfig, job: _T) -> None:
        """Add a job; one without a name of its own cannot be named by others."""
        if config.name is not None:
            self._jobs.setdefault((config.study, run_name(config, {})), job)

    def of(self, config: DictConfig) -> _T | None:
        """The job that makes the run `init_from.run`, as NAME or STUDY/NAME; None: no earlier job makes it."""
        if (run := config.init_from.run) is None:
            return None
        study, _, name = run.partition("/")
        return self._jobs.get((config.study, run)) or self._jobs.get((study, name))


class Inputs:
    """Opens the inputs of train jobs; an input that could not be opened raises the same error for each of its jobs."""

    def __init__(self):
        self._known: dict[Hashable, object] = {}

    def data(self, config: DictConfig) -> "PreparedData":
        """The job's data set; prepare it first if it is missing and the config says so.

        Raises:
            Exception: of any kind, since a source may be a user's own; a GlrError if the set is missing or damaged.
        """
        from glr.data.opening import open_data

        key = json.dumps(OmegaConf.to_container(config.data, resolve=True, enum_to_str=True))
        return self._once(key, lambda: open_data(config.data, prepare=config.data.prepare_when_missing))

    def start(self, config: DictConfig) -> str | None:
        """The identity of the job's initial weights; None: it starts from none.

        Raises:
            Exception: of any kind; a GlrError if the weights are missing.
        """
        from glr.tracking.weights import initial_weights

        named = config.init_from.run, config.init_from.file
        weights = self._once((*named, config.study) if any(named) else None, lambda: initial_weights(config))
        return weights and weights.identity

    def identity(self, config: DictConfig, maker: Hashable = None) -> Identity:
        """The job's identity.

        Args:
            config: the job's config.
            maker: the job of the same sweep that trains its initial weights; None: they exist.

        Raises:
            Exception: see `data` and `start`.
        """
        data = self.data(config)
        return Identity(settings_of(config, f"job {maker}" if maker else self.start(config)), data.digest)

    def _once(self, key: Hashable, opened: Callable[[], _T]) -> _T:
        if key not in self._known:
            try:
                self._known[key] = opened()
            except Exception as error:
                self._known[key] = error
        result = self._known[key]
        if isinstance(result, Exception):
            raise result
        return result  # pyright: ignore[reportReturnType] (a key has one kind of input)


def refuse(config: DictConfig) -> list[list[str]]:
    """Refuse a sweep of train jobs before its first job if a job cannot work; return each job's overrides.

    Args:
        config: the config that Hydra gives a sweep's callbacks.

    Raises:
        GlrError: the launcher refuses the sweep; or names the first job whose data set or initial weights are missing
            (unless an earlier job trains them) or whose batch exceeds its train set, or two jobs that would record
            different settings under the same name.
    """
    from glr.data.opening import train_splits

    places = config.hydra.launcher._target_, config.hydra.sweeper._target_
    if config.sweep.detach and not all(map(str.endswith, places, (".SlurmLauncher", ".GridSweeper"))):
        raise GlrError("sweep.detach=true belongs to hydra/launcher=submitit_slurm and a grid of values; leave it out")
    inputs, makers, jobs = Inputs(), Makers[int](), jobs_of(config)
    if places[0].startswith("hydra_plugins.glr_"):  # a `JobLauncher`
        get_class(places[0]).refuse(config, jobs)
    named: defaultdict[tuple[str, str], dict[tuple[str, str], int]] = defaultdict(dict)
    for number, line in enumerate(jobs, start=1):
        settings = settings_of_job(config, line)
        maker = makers.of(settings)
        makers.add(settings, number)
        try:
            if maker is None:
                inputs.start(settings)
            inputs.data(settings).train_shards(train_splits(settings.data), settings.train.batch_size)
        except Exception as error:
            raise GlrError(f"{_job(number, jobs)}: {in_words(error)}") from error
        if settings.name is None:
            continue  # names that glr chooses tell the jobs apart
        identity = inputs.identity(settings, maker)
        same = named[settings.study, run_name(settings, {})]
        same.setdefault((identity.configuration, identity.digest), number)
        if len(same) > 1:
            raise GlrError(
                f"{_job(number, jobs)}: job {next(iter(same.values()))} has the same name, {settings.name}, and other "
                "settings; leave name out, or give each job a name of its own"
            )
    return jobs


def refuse_lost_runs(config: DictConfig, jobs: Sequence[Sequence[str]]) -> None:
    """Refuse a sweep of evaluations before its first job if the store lacks a run that a job names.

    Args:
        config: the config that Hydra gives a sweep's launcher.
        jobs: each job's overrides.

    Raises:
        GlrError: names the first such job.
    """
    from glr.tracking.history import find
    from glr.tracking.store import connect

    known: set[tuple[str, str]] = set()
    for number, line in enumerate(jobs, start=1):
        settings = settings_of_job(config, line)
        named = settings.tracking.uri, settings.run
        if settings.run is None or named in known:
            continue
        try:
            find(connect(settings.tracking.uri), settings.run)
        except GlrError as error:
            raise GlrError(f"{_job(number, jobs)}: {error}") from error
        known.add(named)


def _job(number: int, jobs: Sequence[Sequence[str]]) -> str:
    return job_in_words(number, jobs) if len(jobs) > 1 else "the job"
