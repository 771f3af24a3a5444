"""The settings in which a job departs from the defaults."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr.config.component import NOT_ARGUMENTS
from glr.config.composition import composition
from glr.config.grammar import parse
from glr.config.identity import flattened, is_circumstance
from glr.config.searchpath import is_group
from glr.config.secrets import without_secrets

_NAMING = {"study", "name"}


def departures(
    name: str, config: DictConfig, choices: Mapping[str, object], overrides: Sequence[str]
) -> dict[str, Any]:
    """The choices that are not the default ones, and the settings that differ from what the job's choices give.

    Settings that place or name a run, and labels, are left out.

    Args:
        name: the command's file in conf/, without .yaml.
        config: the job's config.
        choices: group -> choice.
        overrides: the job's command line. The check has composed its choices; they are not composed again.

    Raises:
        GlrError: the choices cannot be composed again.
    """
    parsed = parse(overrides)
    hydras = [str(each.input_line) for each in parsed if each.is_hydra_override()]
    default = composition(name, hydras).choices
    own = {group: choice for group, choice in choices.items() if choice and (group in config or group == "experiment")}
    other = {group: choice for group, choice in own.items() if default.get(group) != choice}
    if "experiment" in other:  # what it sets is listed, too
        chosen = [f"{group}={choice}" for group, choice in other.items() if group != "experiment"]
    else:
        chosen = [str(each.input_line) for each in parsed if is_group(each.key_or_group, overrides)]
    before = dict(_settings(composition(name, [*hydras, *chosen]).settings))
    changed = {key: value for key, value in _settings(config) if before.get(key) != value}
    return without_secrets({key: value for key, value in (other | changed).items() if not is_circumstance(key)})


def _settings(config: DictConfig) -> list[tuple[str, Any]]:
    plain: Any = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    return [
        (key, value)
        for key, value in flattened(plain)
        if key not in _NAMING and key.rpartition(".")[2] not in NOT_ARGUMENTS
    ]
