"""The jobs of a command line: a single job, every combination of a sweep, or example jobs of a search."""

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from glr.config import search as searching
from glr.config.composition import composition
from glr.config.grammar import parse, values_of
from glr.config.ranges import covering, is_open, parameter
from glr.config.searchpath import is_group
from glr.config.secrets import conceal, redacted, without_secrets
from glr.config.shorthand import written_out
from glr.errors import GlrError

# Overrides of Hydra's settings, and those among them that concern a sweep as a whole.
_HYDRAS = re.compile(r"[+~]*hydra[./]")
_OF_SWEEPS = re.compile(r"[+~]*hydra[./](mode|run|sweep|sweeper|launcher)\b")


def jobs_of_line(config_name: str, overrides: list[str], multirun: bool) -> tuple[list[str], list[list[str]] | None]:
    """Read the jobs of a command line.

    Args:
        config_name: the command's file in conf/, without .yaml.
        overrides: the command line without its flags.
        multirun: the command line has the flag -m.

    Returns:
        The overrides with shorthands expanded, and the overrides of each job of a sweep (None for a single job).
        A search has no fixed jobs: its list holds a few jobs that cover all choices and both ends of each range.

    Raises:
        GlrError: a mistake in the grammar, the sweep or the search.
    """
    shorthand = parse(overrides)
    overrides = conceal(written_out(shorthand))  # a sweep's file may hold secrets
    parsed = parse(overrides)
    multirun = multirun or len(overrides) > len(shorthand)
    sweeper, searched = None, "hydra/sweeper=optuna" in overrides
    try:
        # Compose the whole first job: some settings may exist only with a swept choice.
        first = composition(config_name, tuple(value for o in parsed for value in list(_values(o))[:1]))
        sweeper, searched = first.hydra.sweeper, first.choices["hydra/sweeper"] == "optuna"
        multirun = multirun or first.hydra.mode == RunMode.MULTIRUN
    except GlrError:
        pass  # the check of the first job reports its mistake
    if multirun:
        parsed = swept(parsed, sweeper)
        return [override.input_line or "" for override in parsed], _jobs(parsed, sweeper, searched)
    for override in shorthand:
        if override.is_sweep_override():
            raise GlrError(f"{override.input_line}: several values make a sweep; add -m to run them all")
    return overrides, None


def jobs_of(config: DictConfig) -> list[list[str]]:
    """The overrides of each job of the sweep that Hydra is about to launch; for a search, of a few example jobs."""
    hydra = config.hydra
    parsed = swept(parse(typed(hydra)), hydra.sweeper)
    jobs = _jobs(parsed, hydra.sweeper, hydra.runtime.choices["hydra/sweeper"] == "optuna")
    return [[text for text in job if not _HYDRAS.match(text)] for job in jobs]


def given(hydra: Any) -> list[str]:
    """The overrides in Hydra's config, unresolved: resolving them would fill in interpolated secrets."""
    written: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    return written


def typed(hydra: Any) -> list[str]:
    """All overrides in Hydra's config: those of its own settings, then those of the command's."""
    return [*_for_hydra(hydra), *given(hydra)]


def _for_hydra(hydra: Any) -> list[str]:
    written: Any = OmegaConf.to_container(hydra.overrides.hydra, resolve=False)
    return [text for text in written if text != "hydra.mode=MULTIRUN"]  # Hydra adds it for the flag -m


def for_each_job(hydra: Any) -> list[str]:
    """The flags and the overrides of Hydra's settings that each job of a sweep gets, in a process of its own.

    They are those of the sweep's command line, except the settings of the sweep itself.
    """
    folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    flags = [text for folder in folders for text in ("--config-dir", folder)]
    return flags + [text for text in _for_hydra(hydra) if not _OF_SWEEPS.match(text)]


def settings_of_job(config: DictConfig, job: Sequence[str]) -> DictConfig:
    """The settings of a job of the sweep that Hydra is about to launch."""
    return composition(config.hydra.job.config_name, [*_for_hydra(config.hydra), *job]).settings


def job_in_words(number: int, jobs: Sequence[Sequence[str]]) -> str:
    """Name the job of a sweep that has a number, from 1, for messages: `job 2 of 4 (head=arcface seed=1)`."""
    return f"job {number} of {len(jobs)} ({differing(jobs)[number - 1]})"


def differing(jobs: Sequence[Sequence[str]]) -> list[str]:
    """The overrides that distinguish each job from the others; all overrides of a single job."""
    shown = [[text for text in job if not text.startswith(("hydra.", "sweep."))] for job in jobs]
    common = set.intersection(*map(set, shown)) if len(shown) > 1 else set()
    return [redacted(" ".join(text for text in job if text not in common)) or "(no overrides)" for job in shown]


def keep_config(config: DictConfig) -> None:
    """Save the config of the sweep that Hydra is about to launch, without secrets, in the sweep's folder."""
    folder = Path(config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    visible = without_secrets(OmegaConf.to_container(config, resolve=False, enum_to_str=True))
    OmegaConf.save(OmegaConf.create(visible), folder / "multirun.yaml")


def launchable(overrides: list[str]) -> list[str]:
    """A sweep's overrides in a form that Hydra can launch.

    Before Hydra starts the jobs, it composes their common settings with the default choices. A setting of a swept
    choice (head=arcface,cosface head.margin=0.3) would fail there, so this setting becomes a sweep of one value.
    """
    parsed = parse(overrides)
    if not any(override.is_sweep_override() and is_group(override.get_key_element(), overrides) for override in parsed):
        return overrides
    return [_as_sweep(override) for override in parsed]


def _as_sweep(override: Override) -> str:
    if override.is_sweep_override() or not re.match(r"(?!(hydra|tracking|sweep)\.)\w+\.", override.input_line or ""):
        return override.input_line or ""
    if override.value() is None:
        return f"++{override.input_line}"  # Hydra cannot sweep over null; ++ also adds a missing setting
    return f"{override.key_or_group}=choice({override.get_value_element_as_str()})"


def swept(parsed: list[Override], sweeper: DictConfig | None) -> list[Override]:
    """The overrides of a sweep, preceded by the sweeper's own `params` and `search_space` that they do not set."""
    values: dict[str, object] = {}
    if sweeper is not None:
        values = {**searching.ranges(sweeper.get("search_space") or {}), **(sweeper.get("params") or {})}
    own = {override.get_key_element() for override in parsed}
    return parse(conceal([f"{key}={value}" for key, value in values.items() if key not in own])) + parsed


def _jobs(parsed: list[Override], sweeper: DictConfig | None, searched: bool) -> list[list[str]]:
    if not searched:
        for override in parsed:
            if override.is_interval_sweep() and sweeper is not None:
                raise GlrError(f"{override.input_line}: only a search accepts a range; add hydra/sweeper=optuna")
        return [list(job) for job in product(*filter(None, map(_values, parsed)))]
    if sweeper is not None:
        searching.check(sweeper)
    fixed = [override.input_line or "" for override in parsed if not override.is_sweep_override()]
    space = {override.get_key_element(): parameter(override) for override in parsed if override.is_sweep_override()}
    if not any(is_open(values) for values in space.values()):
        raise GlrError("hydra/sweeper=optuna: nothing is searched; give a range, as in KEY=interval(0.1,0.5)")
    return [[*fixed, *job] for job in covering(space, [key for key in space if is_group(key, fixed)])]


def _values(override: Override) -> list[str]:
    """List the override's values, each as KEY=VALUE; [] for a continuous range, which the sweeper samples later."""
    if override.is_sweep_override() and override.is_discrete_sweep():
        return [f"{override.get_key_element()}={value}" for value in values_of(override)]
    return [] if override.is_sweep_override() else [override.input_line or ""]
