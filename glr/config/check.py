"""Check the settings of every job before any job starts; report a mistake in one sentence."""

import sys
from collections.abc import Collection
from math import inf
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from glr.config import component, structure
from glr.config.combinations import check_combinations
from glr.config.component import class_of
from glr.config.composing import Composition
from glr.config.composition import composition, unknown_setting
from glr.config.jobs import job_in_words, jobs_of_line
from glr.config.printing import say
from glr.config.schema import RUNTIME_ARGUMENTS, bounds, slots
from glr.config.values import ModelPart, Sampler
from glr.errors import GlrError

# Options of sbatch that start several processes per job, spelled as in submitit's additional_parameters.
_SBATCH = ("nodes", "ntasks", "ntasks_per_node")

_MANY = 50  # this many jobs take seconds to check; a line says so


def composed(config_name: str, overrides: list[str]) -> tuple[DictConfig, dict[str, str]]:
    """Compose and check one job's config; return it with the choice of each of its groups.

    Raises:
        GlrError: the first mistake, in one sentence.
    """
    job = _checked(config_name, overrides)
    _check_hydra(job, config_name, overrides)
    return OmegaConf.masked_copy(job.settings, [str(key) for key in job.settings]), dict(job.choices)


def check_command_line(
    config_name: str, overrides: list[str], multirun: bool, required: bool = True
) -> tuple[list[str], list[list[str]] | None]:
    """Check every job that a command line defines.

    Args:
        config_name: the command's file in conf/, without .yaml.
        overrides: the command line without its flags.
        multirun: the command line has the flag -m.
        required: report missing values as mistakes.

    Returns:
        The same as `glr.config.jobs.jobs_of_line`.

    Raises:
        GlrError: the first mistake, in one sentence; in a sweep, the sentence names the job.
    """
    overrides, jobs = jobs_of_line(config_name, overrides, multirun)
    if jobs and len(jobs) >= _MANY:
        say(f"checking the settings of {len(jobs)} jobs", file=sys.stderr)
    hydras: list[DictConfig] = []  # the nodes `hydra` that were checked: many jobs share one
    for number, job in enumerate(jobs or [overrides], start=1):
        try:
            checked = _checked(config_name, job, required)
            if not any(checked.hydra is other for other in hydras):
                _check_hydra(checked, config_name, job)
                hydras.append(checked.hydra)
        except GlrError as error:
            if jobs is None or len(jobs) == 1:
                raise
            raise GlrError(f"{job_in_words(number, jobs)}: {error}") from error
    return overrides, jobs


def _checked(config_name: str, overrides: list[str], required: bool = True) -> Composition:
    job = composition(config_name, tuple(overrides))
    nodes = _contents(job.settings)
    passed = {key for key, content in nodes.items() if content in _passed}
    try:
        structure.check_keys(job.settings, passed=passed)
        check(job.settings, required, passed)
        if required:
            check_combinations(job.settings)
    except component.UnknownSettingError as error:
        raise unknown_setting(error.key, config_name, overrides) from error
    _passed.update(nodes.values())
    _check_launcher(job)
    return job


# The contents of the nodes that passed all checks: jobs of a sweep share most of their nodes.
_passed: set[tuple[object, ...]] = set()


def _contents(settings: DictConfig) -> dict[str, tuple[object, ...]]:
    """Return all that the checks of each top-level setting depend on; {} if an interpolation does not resolve."""
    written, schema = OmegaConf.to_container(settings, resolve=False), OmegaConf.get_type(settings)
    try:
        values = OmegaConf.to_container(settings, resolve=True)
    except OmegaConfBaseException:
        return {}
    assert isinstance(written, dict)
    assert isinstance(values, dict)
    return {str(key): (schema, key, repr(written[key]), repr(values[key])) for key in written}


def _check_hydra(job: Composition, config_name: str, overrides: list[str]) -> None:
    """Check Hydra's own settings; refuse a change of the working folder, since glr's relative paths would move."""
    try:
        structure.check_keys(job.hydra, "hydra.")
    except component.UnknownSettingError as error:
        raise unknown_setting(error.key, config_name, overrides) from error
    if job.hydra.job.chdir:
        raise GlrError(
            "hydra.job.chdir=true: glr reads and writes relative to the folder where it starts; leave it out"
        )
    for node in ("sweep", "run"):  # hydra.run.dir names hydra.sweep.dir
        structure.check_interpolations(job.hydra[node], f"hydra.{node}.", composing=True)


def _check_launcher(job: Composition) -> None:
    """Refuse a launcher that starts several processes per job, unless they train the job together."""
    together = "strategy" in job.settings and class_of("strategy", job.settings.strategy._target_) == "multi_worker"
    for key in ("nodes", "tasks_per_node", *(f"additional_parameters.{name}" for name in _SBATCH)):
        count = OmegaConf.select(job.hydra, f"launcher.{key}", default=None)
        if count not in (None, 1) and not together:
            raise GlrError(
                f"hydra.launcher.{key}={count}: {count} processes would run each job; only strategy=multi_worker "
                "shares a job among several"
            )


def _check_start(settings: DictConfig) -> None:
    """Refuse settings of `init_from` that contradict each other or would do nothing."""
    given = settings.init_from if "init_from" in settings and not OmegaConf.is_missing(settings, "init_from") else None
    if given is None:
        return
    if given.run is not None and given.file is not None:
        raise GlrError(f"init_from: give run={given.run} or file={given.file}, not both")
    if not given.parts:
        raise GlrError(f"init_from.parts: name at least one of {', '.join(ModelPart)}")
    if given.run is None and given.file is None and set(given.parts) != set(ModelPart):
        raise GlrError("init_from.parts: no weights are named to take parts from; give init_from.run or init_from.file")


def _check_sampler(settings: DictConfig) -> None:
    """Refuse a train job whose batch cannot be filled with classes, and a setting that would do nothing."""
    if any(key not in settings or OmegaConf.is_missing(settings, key) for key in ("data", "train")):
        return
    data, batch = settings.data, settings.train.batch_size
    balanced, each = data.sampler == Sampler.classes, data.images_per_class
    if each is None:
        if balanced:
            raise GlrError(
                "data.sampler=classes: give data.images_per_class, the images of each class in a batch, such as 4"
            )
        return
    if not balanced:
        raise GlrError(f"data.images_per_class={each} does nothing without data.sampler=classes; give both or neither")
    if batch % each or batch < 2 * each:
        raise GlrError(
            f"train.batch_size={batch}: expected a multiple of data.images_per_class={each} with at least 2 classes"
        )


def check_slots(settings: DictConfig) -> None:
    """Check that every setting that must hold a component does; allow missing values.

    Args:
        settings: a job's settings, typed by their schema.

    Raises:
        GlrError: a setting holds no component; the message names the first such setting.
    """
    for key in slots(OmegaConf.get_type(settings)):
        place, _, name = key.rpartition(".")
        parent = OmegaConf.select(settings, place) if place else settings
        if parent is None or OmegaConf.is_missing(parent, name) or OmegaConf.is_interpolation(parent, name):
            continue
        node = parent[name]
        if not isinstance(node, DictConfig) or "_target_" not in node:
            raise GlrError(f"{key} is no component: it names no class (_target_)")


def check(settings: DictConfig, required: bool = True, passed: Collection[str] = ()) -> None:
    """Check a job's settings: the arguments of every component, bounds, and missing values.

    Args:
        settings: a job's settings, typed by their schema.
        required: report missing values as mistakes.
        passed: top-level settings whose components and bounds were checked before, and whose interpolations resolve.

    Raises:
        GlrError: the first mistake, in one sentence.
    """
    check_slots(settings)
    try:
        structure.check_interpolations(settings, passed=passed)
    except GlrError:
        if required:
            raise
        return  # the values that exist only where the job runs are shown unresolved
    for key, node in component.components(settings, passed=passed):
        component.check(key, node, RUNTIME_ARGUMENTS.get(key.split(".")[0], set()))
    for key, lowest, highest in bounds(OmegaConf.get_type(settings)):
        if (first := key.split(".")[0]) in passed or OmegaConf.is_missing(settings, first):
            continue  # a missing value is reported below
        value = OmegaConf.select(settings, key)
        if isinstance(value, int | float) and not lowest <= value <= highest:
            expected = f"at least {lowest}" if highest == inf else f"{lowest} to {highest}"
            raise GlrError(f"{key}={value}: expected {expected}")
    _check_start(settings)
    _check_sampler(settings)
    written: Any = OmegaConf.to_container(settings, resolve=False)
    missing = sorted(OmegaConf.missing_keys(settings)) if "???" in str(written) else []  # missing_keys is slow
    if missing and required:
        raise GlrError(f"{', '.join(missing)}: a value is needed; give it as {missing[0]}=VALUE")
