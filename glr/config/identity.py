"""The key that identifies a job: a hash of all settings that the job's result depends on.

The key covers each component's class and arguments, every other setting that the result depends on, and the version of
the mathematics. It excludes labels, module paths, names of choices, paths of data, and settings for where and how a job
computes and is recorded. Two commands are the same job if their keys and the digests of their data sets are equal.
A *configuration* is a job without its seed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr.config.component import class_of
from glr.config.values import ModelPart

# Increase it when the mathematics changes, so that old results do not count as new results.
RESULT_VERSION = 3

# Settings added later, each with the value that keeps the result of earlier versions. The key omits a setting
# that has this value, so that a new setting does not make finished jobs run again.
ADDED: dict[str, object] = {
    "data.background": 255,
    "data.images_per_class": None,
    "data.sampler": "shuffle",
    **{f"debug.{name}": None for name in ("steps", "queries", "target_loss", "profile")},
    "init_from.parts": sorted(ModelPart),
    "train.deterministic": False,
    "train.drop_path": 0.0,
    "train.head_rate": 1.0,
    "train.layer_decay": 1.0,
    "train.weight_decay_on": "all",
}

# Settings for where and how a job computes, records and reports; they may change when a job continues.
_CIRCUMSTANCES = {
    *["tracking", "checkpoint", "resume", "strategy", "sweep", "index", "highlights", "trust"],
    *["data.path", "data.parallelism", "data.cache_dir", "data.prepare_when_missing"],
    "init_from.strict",  # a run that it does not refuse takes the same weights
    *["evaluate.memory", "evaluate.gallery", "train.steps_per_execution"],
}

# The settings, or groups of them, that an evaluation's scores depend on, besides the model and the images.
EVALUATION = (
    *("checkpoint", "neighbors", "descriptors", "tta"),
    *("whitening", "database_augmentation", "query_expansion", "reranking"),
)


def debugged(config: DictConfig, choices: Mapping[str, object]) -> str | None:
    """Return the name of a debug run's preset (`settings`: none was chosen); None: the run is no debug run."""
    if all(value is None for value in config.debug.values()):
        return None
    chosen = choices.get("debug", "none")
    return "settings" if chosen == "none" else str(chosen)


def settings_of(config: DictConfig, init_from: str | None = None) -> dict[str, object]:
    """The settings that a train job's result depends on, flattened with dots; a component's key holds its class.

    Args:
        config: composed from conf/train.yaml.
        init_from: the identity of the weights that `config.init_from` names; None: use the name of the run or file.
    """
    resolved: Any = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    given = resolved.pop("init_from")
    settings = dict(_identifying(resolved))
    settings["init_from"] = init_from or given["run"] or given["file"]
    return settings | {"init_from.parts": sorted(given["parts"])}


@dataclass(frozen=True)
class Identity:
    """Identifies a job.

    Attributes:
        settings: the settings that determine the job's result; see `settings_of`.
        digest: the digest of the job's data set.
    """

    settings: Mapping[str, object]
    digest: str

    @property
    def key(self) -> str:
        """Hexadecimal hash of the settings; equal for all command lines of the same job. It does not cover the data."""
        return _hash(self.settings)

    @property
    def configuration(self) -> str:
        """The key of the job without its seed."""
        return _hash({key: value for key, value in self.settings.items() if key != "seed"})

    @property
    def folder(self) -> str:
        """A name for the job's folder."""
        return f"{self.key}-{self.digest}"


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The changed settings, as `KEY: BEFORE -> NOW`, in order of the keys."""
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    return [f"{key}: {_shown(before, key)} -> {_shown(now, key)}" for key in keys]


def flattened(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for each value of a nested mapping."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@lru_cache(4096)  # the same few keys of every run of a study
def is_circumstance(key: str) -> bool:
    """Return True if a setting only affects where a job computes, how it is recorded or what reports show."""
    return (
        key in _CIRCUMSTANCES
        or key.split(".")[0] in _CIRCUMSTANCES
        or key == "backbone.expects"
        or key.split(".")[-1] == "label"
    )


def _hash(settings: Mapping[str, object]) -> str:
    lasting = {key: _plain(value) for key, value in settings.items() if key not in ADDED or value != ADDED[key]}
    text = json.dumps([RESULT_VERSION, lasting], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    """Normalise a value: 20 and 20.0 are the same number."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _identifying(config: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in flattened(config):
        place, _, name = key.rpartition(".")
        if name == "_target_" and not is_circumstance(place):
            yield place, class_of(place, value)
        # Leave out a source's strings, which are paths: the digest of the data set covers the files' content.
        elif not is_circumstance(key) and not (place == "data.source" and isinstance(value, str | None)):
            yield key, value


def _shown(settings: Mapping[str, object], key: str) -> str:
    return json.dumps(settings[key]) if key in settings else "(none)"
