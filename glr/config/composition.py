"""Compose a job's settings from its overrides, and explain a failure in one sentence."""

import copy
import re
from collections.abc import Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from glr.config.component import NOT_ARGUMENTS
from glr.config.grammar import parse
from glr.config.installation import CONF, pip_install
from glr.config.shorthand import choices, unknown_choice
from glr.config.structure import needed
from glr.errors import GlrError, first_line

# Third-party launchers, and the extras of glr that install them.
_LAUNCHERS = {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit", "ray": "ray"}


@dataclass(frozen=True)
class Composition:
    """A job's settings and Hydra's. All callers share the object: copy it before you change it.

    Attributes:
        settings: the command's settings.
        hydra: the node `hydra`; jobs that differ only in plain values share it.
    """

    settings: DictConfig
    hydra: DictConfig

    @property
    def choices(self) -> dict[str, str]:
        """The choice of each group."""
        return dict(self.hydra.runtime.choices)

    def with_values(self, values: list[Override]) -> "Composition":
        """Return a copy with these values, set as Hydra would set them."""
        settings = copy.deepcopy(self.settings)
        for value in values:
            OmegaConf.update(settings, value.key_or_group, value.value(), force_add=value.is_force_add())
        return Composition(settings, self.hydra)


# The first composed job for each combination of command, group choices and names of the plain settings.
_first: dict[Hashable, Composition] = {}


@lru_cache(maxsize=1024)  # the check, the launcher and the job itself compose the same job
def composition(config_name: str, overrides: tuple[str, ...]) -> Composition:
    """Compose a job.

    Hydra takes 60 ms per job. A job that differs from an earlier job only in plain values is copied from it in 5 ms.

    Raises:
        GlrError: an unknown key or choice, or a value of a wrong type.
    """
    parsed = parse(overrides)
    running = GlobalHydra.instance().is_initialized()  # inside a command
    with nullcontext() if running else initialize_config_dir(str(CONF), version_base="1.3"):
        plain = [override for override in parsed if _is_plain(override)]
        shape = (config_name, *(o.get_key_element() if o in plain else o.input_line for o in parsed))
        if shape in _first:
            try:
                return _first[shape].with_values(plain)
            except (OmegaConfBaseException, ValueError):
                pass  # Hydra's error below explains the mistake
        try:
            config = compose(config_name, list(overrides), return_hydra_config=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise _explained(error, config_name) from error
    settings = copy.deepcopy(config)
    with open_dict(settings):
        del settings["hydra"]
    for group in ("launcher", "sweeper"):
        if "sweep" not in settings and str(config.hydra[group]._target_).startswith("hydra_plugins.glr_"):
            choice = config.hydra.runtime.choices[f"hydra/{group}"]
            raise GlrError(
                f"hydra/{group}={choice}: {config_name} lacks the sweep settings that this choice needs; leave it out"
            )
    composed = Composition(settings, config.hydra)
    _first.setdefault(shape, composed)
    return composed


def _is_plain(override: Override) -> bool:
    """Return True if an override only sets the value of a command's setting: no group choice, no structure."""
    key = override.key_or_group
    return (
        override.type in (OverrideType.CHANGE, OverrideType.FORCE_ADD)
        and override.package is None
        and not isinstance(override.value(), dict)
        and key.split(".")[0] != "hydra"
        and not _is_group(key)
    )


@cache  # Hydra takes 5 ms
def _is_group(key: str) -> bool:
    return bool(GlobalHydra.instance().config_loader().get_group_options(key, results_filter=None))


def _explained(error: Exception, config_name: str) -> GlrError:
    """Turn Hydra's error into one sentence that names the key and the expected value."""
    text, cause = str(error), error.__cause__
    if choice := re.search(r"Could not find '((?:hydra/)?[^'/]+)/([^']+)'", text):
        group = choice[1]
        if group == "hydra/launcher" and choice[2] in _LAUNCHERS:
            return GlrError(f"{group}={choice[2]} is not installed; {pip_install(_LAUNCHERS[choice[2]])}")
        hydras = GlobalHydra.instance().config_loader().get_group_options(group)
        return unknown_choice(group, choice[2], hydras if group.startswith("hydra/") else choices(group))
    if twice := re.search(r"Multiple values for (\S+?)\.", text):
        return GlrError(f"+{twice[1]}=...: {twice[1]} has a choice already; leave out the +")
    if key := re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in", text):
        full = re.search(r"full_key: (\S+)", f"{text}\n{cause}")
        return unknown_setting(full[1] if full else key[1], config_name)
    if "init_from" in text and re.search("InitFrom|not Optional", f"{text} {cause}"):  # a YAML file of before
        return GlrError(
            "init_from: a YAML file gives it as a mapping: {run: NAME} or {file: PATH}; leave it out for none"
        )
    if merging := re.search(r"Error merging override (.+)", text):
        value = first_line(cause or error)
        if merging[1].startswith("~"):
            return needed(merging[1].strip("~"))
        if options := re.search(r"Invalid value '.*', expected one of (.*)", value):
            return GlrError(f"{merging[1]}: expected one of {options[1].strip('[]')}")
        if kind := re.search(r"could not be converted to (\w+)", value):
            words = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
            return GlrError(f"{merging[1]}: expected {words.get(kind[1], kind[1])}")
        return GlrError(f"{merging[1]}: {value}")
    return GlrError(" ".join(text.split()))


def unknown_setting(key: str, config_name: str) -> GlrError:
    """Explain an unknown key: name the closest setting of the same section or of another choice."""
    if key.startswith("hydra."):
        return GlrError(f"{key} is not a setting; --cfg hydra lists the settings of Hydra")
    section, _, name = key.rpartition(".")
    default = composition(config_name, ()).settings
    node = OmegaConf.select(default, section) if section else default
    # Only a component has settings that depend on its choice.
    choosing = isinstance(node, DictConfig) and "_target_" in node
    files = sorted((CONF / section).glob("*.yaml")) if choosing else []
    known = {str(k): "" for k in node} if isinstance(node, DictConfig) else {}
    for file in files:
        for setting in OmegaConf.load(file):
            known[str(setting)] = f"{known.get(str(setting), '')} {section}={file.stem}"
    settings = sorted(set(known) - NOT_ARGUMENTS - {"defaults"})
    if close := get_close_matches(name, settings, n=1):
        owners = known[close[0]].split()
        of = f" (of {', '.join(owners)})" if 0 < len(owners) < len(files) else ""
        return GlrError(f"{key} is not a setting; did you mean {f'{section}.' if section else ''}{close[0]}{of}?")
    where = f"of {section}" if section else "at the top"
    return GlrError(f"{key} is not a setting; the settings {where} are {', '.join(settings) or 'none'}")
