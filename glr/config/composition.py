"""Compose a job's settings from its overrides, and explain a failure in one sentence."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from glr.config.component import NOT_ARGUMENTS
from glr.config.composing import Composer, Composition
from glr.config.grammar import parse
from glr.config.installation import pip_install
from glr.config.searchpath import choices, folders, given, hydra, settings_of_choices
from glr.config.shorthand import unknown_choice
from glr.config.structure import needed
from glr.errors import GlrError, first_line

# Third-party launchers, and the extras of glr that install them.
_LAUNCHERS = {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit", "ray": "ray"}


def composition(config_name: str, overrides: Sequence[str]) -> Composition:
    """Compose a job.

    Raises:
        GlrError: an unknown key or choice, or a value of a wrong type.
    """
    with hydra():
        ordered = sorted(overrides, key=lambda text: not re.match(r"[+~]*hydra[./]", text))  # the order has no effect
        return _composition(config_name, tuple(ordered), folders(overrides))


@lru_cache(maxsize=1024)  # the check and the launcher compose the same jobs
def _composition(config_name: str, overrides: tuple[str, ...], folders: tuple[str, ...]) -> Composition:
    parsed, composer = parse(overrides), _composer(config_name, tuple(given(overrides)), folders)
    try:
        try:
            job = composer.job(parsed)
        except (OmegaConfBaseException, ValueError):
            job = composer.whole(overrides)  # Hydra's error explains the mistake
    except (HydraException, OmegaConfBaseException) as error:
        raise _explained(error, config_name, overrides) from error
    for group in ("launcher", "sweeper"):
        if "sweep" not in job.settings and str(job.hydra[group]._target_).startswith("hydra_plugins.glr_"):
            choice = job.choices[f"hydra/{group}"]
            raise GlrError(
                f"hydra/{group}={choice}: {config_name} lacks the sweep settings that this choice needs; leave it out"
            )
    return job


@lru_cache(maxsize=16)
def _composer(config_name: str, given: tuple[str, ...], folders: tuple[str, ...]) -> Composer:  # noqa: ARG001 (a key)
    return Composer(config_name, given)


def _explained(error: Exception, config_name: str, overrides: Sequence[str]) -> GlrError:
    """Turn Hydra's error into one sentence that names the key and the expected value."""
    text, cause = str(error), error.__cause__
    if choice := re.search(r"Could not find '((?:hydra/)?[^'/]+)/([^']+)'", text):
        group = choice[1]
        if group == "hydra/launcher" and choice[2] in _LAUNCHERS:
            return GlrError(f"{group}={choice[2]} is not installed; {pip_install(_LAUNCHERS[choice[2]])}")
        return unknown_choice(group, choice[2], choices(group, overrides))
    if twice := re.search(r"Multiple values for (\S+?)\.", text):
        return GlrError(f"+{twice[1]}=...: {twice[1]} has a choice already; leave out the +")
    if key := re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in", text):
        full = re.search(r"full_key: (\S+)", f"{text}\n{cause}")
        return unknown_setting(full[1] if full else key[1], config_name, overrides)
    if "init_from" in text and re.search("InitFrom|not Optional", f"{text} {cause}"):  # YAML of an earlier version
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
        if "not a ListConfig" in value:
            key, _, item = merging[1].partition("=")
            return GlrError(f"{merging[1]}: expected a list, as {key}=[{item}]")
        return GlrError(f"{merging[1]}: {value}")
    return GlrError(" ".join(text.split()))


def unknown_setting(key: str, config_name: str, overrides: Sequence[str]) -> GlrError:
    """Explain an unknown key: name the closest setting of the same section or of another choice."""
    if key.startswith("hydra."):
        return GlrError(f"{key} is not a setting; --cfg hydra lists the settings of Hydra")
    section, _, name = key.rpartition(".")
    default = composition(config_name, given(overrides)).settings
    node = OmegaConf.select(default, section) if section else default
    if node is None:  # only some choices have this section
        chosen = [text for text in overrides if text.lstrip("+").startswith(f"{section.partition('.')[0]}=")]
        node = OmegaConf.select(composition(config_name, (*given(overrides), *chosen)).settings, section)
    # Only a component has settings that depend on its choice.
    choosing = isinstance(node, DictConfig) and "_target_" in node
    of_choices = settings_of_choices(section, overrides) if choosing else {}
    known = {str(k): "" for k in node} if isinstance(node, DictConfig) else {}
    for choice, names in of_choices.items():
        for setting in names:
            known[setting] = f"{known.get(setting, '')} {section}={choice}"
    settings = sorted(set(known) - NOT_ARGUMENTS - {"defaults"})
    if close := get_close_matches(name, settings, n=1):
        owners = known[close[0]].split()
        if close[0] == name and owners:
            chosen = [text for text in overrides if text.lstrip("+").startswith(f"{section}=")]
            way_out = f"leave out {key} or {chosen[0]}" if chosen else "leave it out, or choose one of these"
            return GlrError(f"{key} is a setting of {', '.join(owners)} only; {way_out}")
        of = f" (of {', '.join(owners)})" if 0 < len(owners) < len(of_choices) else ""
        return GlrError(f"{key} is not a setting; did you mean {f'{section}.' if section else ''}{close[0]}{of}?")
    where = f"of {section}" if section else "at the top"
    return GlrError(f"{key} is not a setting; the settings {where} are {', '.join(settings) or 'none'}")
