"""A job's name, and its key: two commands whose results depend on the same settings have the same key."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

# Where and how a job computes and is recorded: these may change when it is continued.
_CIRCUMSTANCES = {
    *["tracking", "checkpoint", "resume", "strategy", "sweep", "index", "highlights"],
    *["data.parallelism", "data.cache_dir", "data.prepare_when_missing", "evaluate.memory", "evaluate.gallery"],
    "train.steps_per_execution",
}


def run_name(config: DictConfig, choices: Mapping[str, Any]) -> str:
    """The name of a run: `name` where it is given, else its choices of backbone and head."""
    return config.name or f"{choices['backbone']}-{choices['head']}"


def settings_of(config: DictConfig) -> dict[str, Any]:
    """A train config's settings that the result depends on, flattened with dots."""
    resolved: Any = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    return {key: value for key, value in flattened(resolved) if not is_circumstance(key)}


def key_of(config: DictConfig) -> str:
    """The job's key, hexadecimal: equal for all command lines of the same job."""
    text = json.dumps(settings_of(config), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The changed settings, as `KEY: BEFORE -> NOW`, in order of the keys."""
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    return [f"{key}: {_shown(before, key)} -> {_shown(now, key)}" for key in keys]


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of a nested mapping."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def is_circumstance(key: str) -> bool:
    """Whether a setting only says where and how a job computes and is recorded."""
    return key in _CIRCUMSTANCES or key.split(".")[0] in _CIRCUMSTANCES


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return json.dumps(settings[key]) if key in settings else "(none)"
