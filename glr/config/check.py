"""Compose a command line, every job of a sweep included, and answer each mistake with one sentence."""

import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from difflib import get_close_matches
from functools import lru_cache
from math import inf
from string import Template
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from glr.config import component
from glr.config import search as searching
from glr.config.ranges import covering, is_open, parameter
from glr.config.schema import BOUNDS, RUNTIME_ARGUMENTS
from glr.config.secrets import redacted
from glr.config.shorthand import CONF, choices, unknown_choice, written_out
from glr.errors import GlrError

# Launchers of others, and the extras of glr that they come with.
_LAUNCHERS = {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit", "ray": "ray"}


def composed(config_name: str, overrides: list[str]) -> tuple[DictConfig, dict[str, str]]:
    """One job's config, checked, and the choice that stands for each of its groups.

    Raises:
        GlrError: the first mistake, in one sentence.
    """
    running = GlobalHydra.instance().is_initialized()  # inside a command
    with nullcontext() if running else initialize_config_dir(str(CONF), version_base="1.3"):
        config = _compose(config_name, overrides)
        check(config)
    return _without_hydra(config), dict(config.hydra.runtime.choices)


def check_command_line(
    config_name: str, overrides: list[str], multirun: bool, required: bool = True
) -> tuple[list[str], list[list[str]] | None]:
    """Compose and check every job that these overrides stand for.

    Returns:
        The overrides with shorthands written out, and those of each job if they make a sweep.

    Raises:
        GlrError: the first mistake, in one sentence; in a sweep it names the job.
    """
    overrides, given = written_out(_parse(overrides)), overrides
    multirun = multirun or len(overrides) > len(given)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        jobs = list(_jobs(config_name, overrides, multirun))
        for number, job in enumerate(jobs, start=1):
            try:
                try:
                    check(_compose(config_name, job), required)
                except component.UnknownSettingError as error:
                    raise _unknown_setting(error.key, config_name) from error
            except GlrError as error:
                if len(jobs) == 1:
                    raise
                raise GlrError(f"job {number} of {len(jobs)} ({redacted(' '.join(job))}): {error}") from error
    return overrides, jobs if multirun else None


def help_text(config_name: str, overrides: list[str]) -> str:
    """What a command does, its choices, and its settings as these overrides compose them."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = _compose(config_name, overrides)
        return Template(config.hydra.help.template).substitute(CONFIG=OmegaConf.to_yaml(_without_hydra(config)))


def launchable(overrides: list[str]) -> list[str]:
    """A sweep's overrides in a form that Hydra can launch.

    Before it starts the jobs, Hydra composes the settings that are the same in all of them, with the default choices:
    one that belongs to a swept choice (head=arcface,cosface head.margin=0.3) would fail there. It is written as a sweep
    of one value.
    """
    parsed = _parse(overrides)
    if not any(override.is_sweep_override() and (CONF / override.get_key_element()).is_dir() for override in parsed):
        return overrides
    return [_as_sweep(override) for override in parsed]


def _as_sweep(override: Override) -> str:
    if override.is_sweep_override() or not re.match(r"(?!(hydra|tracking|sweep)\.)\w+\.", override.input_line or ""):
        return override.input_line or ""
    if override.value() is None:
        return f"++{override.input_line}"  # Hydra sweeps over no null; with ++ it may be a setting that is not there
    return f"{override.key_or_group}=choice({override.get_value_element_as_str()})"


def check(config: DictConfig, required: bool = True) -> None:
    """Check a composed config (with its `hydra` node): every component's arguments, bounds, and nothing missing.

    Raises:
        GlrError: the first mistake, in one sentence.
    """
    choices = config.hydra.runtime.choices
    settings = _without_hydra(config)
    for key, node in component.components(settings):
        group = key.split(".")[0]
        file = CONF / group / f"{choices.get(group)}.yaml"
        defaults: Any = OmegaConf.to_container(OmegaConf.load(file)) if file.is_file() else {}
        component.check(key, node, RUNTIME_ARGUMENTS.get(group, set()), defaults)
    for key, (lowest, highest) in BOUNDS.items():
        value = OmegaConf.select(settings, key)
        # A number in one command may be a text in another: index is a row there, a folder here.
        if isinstance(value, int | float) and not lowest <= value <= highest:
            expected = f"at least {lowest}" if highest == inf else f"{lowest} to {highest}"
            raise GlrError(f"{key}={value}: expected {expected}")
    missing = sorted(OmegaConf.missing_keys(settings))
    if missing and required:
        raise GlrError(f"{', '.join(missing)}: a value is needed; give it as {missing[0]}=VALUE")
    try:
        OmegaConf.to_container(settings, resolve=True)
    except OmegaConfBaseException as error:
        raise GlrError(f"{getattr(error, 'full_key', None) or 'config'}: {_first_line(error)}") from error


def first_of(config: DictConfig) -> DictConfig:
    """The config of the first job of the sweep that Hydra is about to launch."""
    return _compose(config.hydra.job.config_name, jobs_of(config)[0])


def jobs_of(config: DictConfig) -> list[list[str]]:
    """The overrides of each job of the sweep that Hydra is about to launch; of a search, a few that show all values."""
    overrides = [*config.hydra.overrides.task, f"hydra/sweeper={config.hydra.runtime.choices['hydra/sweeper']}"]
    return list(_jobs(config.hydra.job.config_name, overrides, multirun=True))


def _without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _jobs(config_name: str, overrides: list[str], multirun: bool) -> Iterator[list[str]]:
    """The overrides of each job; one job where this is no sweep; of a search, jobs that show all its values."""
    parsed = _parse(overrides)
    swept: dict[str, str] = {}
    searched, sweeper = "hydra/sweeper=optuna" in overrides, None
    try:
        # A setting may belong to a choice that is swept, so that only a whole job composes.
        hydra = _compose(config_name, [value for override in parsed for value in list(_values(override))[:1]]).hydra
        sweeper = hydra.sweeper
        swept = dict(sweeper.params or {}) if "params" in sweeper else {}
        searched = hydra.runtime.choices["hydra/sweeper"] == "optuna"
        multirun = multirun or hydra.mode == RunMode.MULTIRUN
    except GlrError:
        pass  # the first job has a mistake, which is reported when it is checked
    if not multirun:
        for override in parsed:
            if override.is_sweep_override():
                raise GlrError(f"{override.input_line}: several values make a sweep; add -m to run them all")
        yield overrides
        return
    named = {override.get_key_element() for override in parsed}
    parsed = _parse([f"{key}={value}" for key, value in swept.items() if key not in named]) + parsed
    if searched:
        if sweeper is not None:
            searching.check(sweeper)
        given = [override.input_line or "" for override in parsed if not override.is_sweep_override()]
        space = {override.get_key_element(): parameter(override) for override in parsed if override.is_sweep_override()}
        if not any(is_open(found) for found in space.values()):
            raise GlrError("hydra/sweeper=optuna: nothing is searched; give a range, as in KEY=interval(0.1,0.5)")
        for job in covering(space, [key for key in space if (CONF / key).is_dir()]):
            yield [*given, *job]
        return
    for override in parsed:
        if override.is_interval_sweep() and sweeper is not None:
            raise GlrError(f"{override.input_line}: a range is searched, not run through; add hydra/sweeper=optuna")
    values = [list(_values(override)) for override in parsed]
    yield from _product(values)


def _parse(overrides: list[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise GlrError(f"{_first_line(error)}: a setting is given as key=value") from error


def _values(override: Override) -> Iterable[str]:
    if override.is_sweep_override() and override.is_discrete_sweep():
        return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
    if override.is_sweep_override():
        return []  # a continuous range: its sweeper draws from it later
    return [override.input_line or ""]


def _product(values: list[list[str]]) -> Iterator[list[str]]:
    jobs: list[list[str]] = [[]]
    for options in values:
        jobs = [[*job, option] for job in jobs for option in options] if options else jobs
    return iter(jobs)


def _compose(config_name: str, overrides: list[str]) -> DictConfig:
    return _composition(config_name, tuple(overrides)).copy()


@lru_cache(maxsize=1024)  # a job is looked at twice: before all of them start, and as it does
def _composition(config_name: str, overrides: tuple[str, ...]) -> DictConfig:
    try:
        return compose(config_name, list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise _explained(error, config_name) from error


def _explained(error: Exception, config_name: str) -> GlrError:
    """Hydra's error as one sentence that names the key and what would be right."""
    text, cause = str(error), error.__cause__
    if choice := re.search(r"Could not find '((?:hydra/)?[^'/]+)/([^']+)'", text):
        group = choice[1]
        if group == "hydra/launcher" and choice[2] in _LAUNCHERS:
            extra = _LAUNCHERS[choice[2]]
            return GlrError(f"{group}={choice[2]}: it is not installed; pip install 'glr[{extra}]'")
        hydras = GlobalHydra.instance().config_loader().get_group_options(group)
        return unknown_choice(group, choice[2], hydras if group.startswith("hydra/") else choices(group))
    if key := re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in", text):
        full = re.search(r"full_key: (\S+)", f"{text}\n{cause}")
        return _unknown_setting(full[1] if full else key[1], config_name)
    if merging := re.search(r"Error merging override (.+)", text):
        value = _first_line(cause or error)
        if options := re.search(r"Invalid value '.*', expected one of (.*)", value):
            return GlrError(f"{merging[1]}: expected one of {options[1].strip('[]')}")
        if kind := re.search(r"could not be converted to (\w+)", value):
            words = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
            return GlrError(f"{merging[1]}: expected {words.get(kind[1], kind[1])}")
        return GlrError(f"{merging[1]}: {value}")
    return GlrError(" ".join(text.split()))


def _unknown_setting(key: str, config_name: str) -> GlrError:
    """Name the closest setting of the same section, in the default choices or in any other choice of the group."""
    if key.startswith("hydra."):
        return GlrError(f"{key} is not a setting; --cfg hydra lists those of Hydra")
    section, _, name = key.rpartition(".")
    default = compose(config_name)
    node = OmegaConf.select(default, section) if section else default
    known = {str(k): "" for k in node} if isinstance(node, DictConfig) else {}
    for file in sorted((CONF / section).glob("*.yaml")) if section else []:
        for setting in OmegaConf.load(file):
            known[str(setting)] = f"{known.get(str(setting), '')} {section}={file.stem}"
    settings = sorted(set(known) - component.NOT_ARGUMENTS - {"defaults"})
    if close := get_close_matches(name, settings, n=1):
        owners = known[close[0]].split()
        of = f" (of {', '.join(owners)})" if 0 < len(owners) < len(list((CONF / section).glob("*.yaml"))) else ""
        return GlrError(f"{key} is not a setting; did you mean {f'{section}.' if section else ''}{close[0]}{of}?")
    where = section or "at the top"
    return GlrError(f"{key} is not a setting; those of {where} are {', '.join(settings) or 'none'}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]
