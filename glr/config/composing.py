"""Compose jobs with Hydra: each choice of a group once, however many jobs combine it with others.

Hydra takes 60 ms per job. A job that differs from a composed job in plain values only is copied from it in 5 ms. A
choice whose file has no defaults list and no package of its own changes only the node of its group. A job that combines
such choices is assembled from jobs that differ in one choice each.
"""

import pickle
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra import compose
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict

from glr.config.internals import interpolated_groups, load
from glr.config.searchpath import is_group

_SETS = (OverrideType.CHANGE, OverrideType.FORCE_ADD)  # key=value, ++key=value


@dataclass(frozen=True)
class Composition:
    """A job's settings and Hydra's. All callers share the object: copy it before you change it.

    Attributes:
        settings: the command's settings.
        hydra: the node `hydra`; jobs that differ only in plain values or in choices of leaf groups share it.
        choices: the choice of each group.
    """

    settings: DictConfig
    hydra: DictConfig
    choices: Mapping[str, str]

    def copied(self) -> DictConfig:
        """Return a copy of the settings."""
        return pickle.loads(self._pickled)

    @cached_property
    def _pickled(self) -> bytes:
        return pickle.dumps(self.settings)  # copy.deepcopy takes six times as long as pickle.loads


class Composer:
    """Composes the jobs of one command with one search path.

    Args:
        config_name: the command's file on the search path, without .yaml.
        given: the overrides that set the search path.
    """

    def __init__(self, config_name: str, given: Sequence[str]):
        self._config_name, self._given = config_name, given
        self._composed: dict[tuple[str, ...], Composition] = {}
        self._frames: dict[Hashable, tuple[str, ...]] = {}  # the first job of each frame
        self._interpolated: dict[Hashable, frozenset[str]] = {}
        self._leaves: dict[tuple[str, str], bool] = {}
        self._donors: dict[tuple[str, ...], bool] = {}

    def job(self, overrides: Sequence[Override]) -> Composition:
        """Compose a job.

        Raises:
            HydraException, OmegaConfBaseException, ValueError: a mistake in the overrides.
        """
        is_value = [self._is_value(o) and not _overruled(o, overrides[n + 1 :]) for n, o in enumerate(overrides)]
        values = [o for o, moves in zip(overrides, is_value, strict=True) if moves]
        others = [o for o, moves in zip(overrides, is_value, strict=True) if not moves]
        lines = tuple(str(o.input_line) for o in others)
        parts = {n: o.key_or_group for n, o in enumerate(others) if self._is_part(o, others)}
        frame = tuple(parts.get(n, line) for n, line in enumerate(lines))
        first = self._frames.setdefault(frame, lines)
        changed = {n: group for n, group in parts.items() if lines[n] != first[n]}
        jobs = {group: (*first[:n], lines[n], *first[n + 1 :]) for n, group in changed.items()}
        if len(changed) < 2 or not all(self._is_donor(group, job, first) for group, job in jobs.items()):
            return _copy(self._whole(lines), {}, values)
        return _copy(self._whole(first), {group: self._whole(job) for group, job in jobs.items()}, values)

    def _is_donor(self, group: str, job: tuple[str, ...], first: tuple[str, ...]) -> bool:
        """Return True if a job that differs from the first job in one choice differs in the node of its group only."""
        if job not in self._donors:
            if first not in self._interpolated:
                self._interpolated[first] = interpolated_groups(self._config_name, first)
            base, other = (_others(self._whole(lines), group) for lines in (first, job))
            self._donors[job] = base == other and not self._interpolated[first] & {group, "defaults"}
        return self._donors[job]

    def whole(self, lines: Sequence[str]) -> Composition:
        """Let Hydra compose a job.

        Raises:
            HydraException, OmegaConfBaseException: a mistake in the overrides.
        """
        config = compose(self._config_name, list(lines), return_hydra_config=True)
        settings = pickle.loads(pickle.dumps(config))
        with open_dict(settings):
            del settings["hydra"]
        return Composition(settings, config.hydra, dict(config.hydra.runtime.choices))

    def _whole(self, lines: tuple[str, ...]) -> Composition:
        if lines not in self._composed:
            self._composed[lines] = self.whole(lines)
        return self._composed[lines]

    def _is_value(self, override: Override) -> bool:
        """Return True if an override only sets the value of a command's setting: no group choice, no structure."""
        return (
            override.type in _SETS
            and override.package is None
            and not isinstance(override.value(), dict)
            and not override.is_hydra_override()
            and not is_group(override.key_or_group, self._given)
        )

    def _is_part(self, override: Override, overrides: Sequence[Override]) -> bool:
        """Return True if an override chooses a leaf of a group of settings, and is the only choice of this group."""
        group, choice = override.key_or_group, override.value()
        if override.type != OverrideType.CHANGE or override.package is not None or not isinstance(choice, str):
            return False
        if override.is_hydra_override() or "/" in group or sum(o.key_or_group == group for o in overrides) > 1:
            return False
        if (group, choice) not in self._leaves:
            file = load(f"{group}/{choice}", self._given) if is_group(group, self._given) else None
            leaf = file is not None and not file.defaults_list and file.header["package"] is None
            self._leaves[group, choice] = leaf
        return self._leaves[group, choice]


def _overruled(value: Override, later: Sequence[Override]) -> bool:
    """Return True if a later override changes the structure of the same node: it must be applied after the value."""
    key = f"{value.key_or_group}."
    structures = [o for o in later if isinstance(o.value(), dict) or o.type not in _SETS]
    return any(key.startswith(f"{o.key_or_group}.") or f"{o.key_or_group}.".startswith(key) for o in structures)


def _others(job: Composition, group: str) -> list[tuple[str, object]]:
    """The settings of a job, unresolved and in order, without a group's."""
    settings: Any = OmegaConf.to_container(job.settings, resolve=False)
    return [(key, value) for key, value in settings.items() if key != group]


def _copy(base: Composition, donors: Mapping[str, Composition], values: Sequence[Override]) -> Composition:
    """Copy a job, take the nodes of some groups from other jobs, and set values as Hydra would."""
    if not donors and not values:
        return base
    settings = base.copied()
    for group, donor in donors.items():
        settings[group] = donor.settings[group]
    for value in values:
        OmegaConf.update(settings, value.key_or_group, value.value(), force_add=value.is_force_add())
    choices = {**base.choices, **{group: donor.choices[group] for group, donor in donors.items()}}
    return Composition(settings, base.hydra, choices)
