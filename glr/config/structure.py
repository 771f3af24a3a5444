"""Check that a composed config has exactly the settings of its schema, and that its interpolations resolve."""

import re
from collections.abc import Collection, Iterable
from dataclasses import fields, is_dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, InterpolationResolutionError, InterpolationToMissingValueError

from glr.config.component import UnknownSettingError
from glr.errors import GlrError, first_line


def check_keys(node: DictConfig, prefix: str = "", passed: Collection[Any] = ()) -> None:
    """Refuse keys that a schema lacks (`+train.epoch=5`), and the removal of a setting (`~train`).

    Args:
        node: a config whose nodes are typed by their schemas; nodes without a schema may hold any key.
        prefix: the full key of the node, with a dot at the end. Hydra's own settings may be incomplete.
        passed: keys of the node whose values were checked before.

    Raises:
        UnknownSettingError: a key is no setting.
        GlrError: a setting was removed.
    """
    schema = OmegaConf.get_type(node)
    if is_dataclass(schema):
        names = [setting.name for setting in fields(schema)]
        names += ["env"] if prefix == "hydra." else []  # Hydra adds it to its own schema
        if unknown := [str(name) for name in node if name not in names]:
            raise UnknownSettingError(f"{prefix}{unknown[0]}")
        if not prefix.startswith("hydra.") and (removed := [name for name in names if name not in list(node)]):
            raise needed(f"{prefix}{removed[0]}")
    for name in _present(node):
        if name in passed or OmegaConf.is_interpolation(node, name):
            continue
        if isinstance(child := node[name], DictConfig):
            check_keys(child, f"{prefix}{name}.")


def needed(key: str) -> GlrError:
    """The error for a setting that the command line removed."""
    return GlrError(f"~{key}: a setting cannot be removed; give it another value")


def check_interpolations(
    node: DictConfig | ListConfig, prefix: str = "", *, composing: bool = False, passed: Collection[Any] = ()
) -> None:
    """Resolve each interpolation, except those of missing values.

    Args:
        node: a part of a composed config.
        prefix: the full key of the node, with a dot at the end.
        composing: accept what Hydra can resolve only in a job.
        passed: keys of the node whose values were checked before.

    Raises:
        GlrError: an interpolation names no setting or environment variable, or its value has a wrong type.
    """
    for name in _present(node):
        if name in passed:
            continue
        try:
            value = node[name]
        except InterpolationToMissingValueError:
            continue
        except InterpolationResolutionError as error:
            if composing and not isinstance(error, InterpolationKeyError) and not _VARIABLE.search(str(error)):
                continue
            written: Any = OmegaConf.to_container(node, resolve=False)
            key = f"{prefix}{name}"
            raise GlrError(f"{key}={written[name]}: {unresolved(error)}, or give {key}=VALUE") from error
        if isinstance(value, DictConfig | ListConfig):
            check_interpolations(value, f"{prefix}{name}.", composing=composing)


_VARIABLE = re.compile(r"Environment variable '([^']+)' not found")
_SETTING = re.compile(r"Interpolation key '([^']+)' not found")


def unresolved(error: InterpolationResolutionError) -> str:
    """Say why an interpolation has no value, and what to do."""
    text = first_line(error)
    if variable := _VARIABLE.search(text):
        return f"the environment variable {variable[1]} is not set; set it"
    if setting := _SETTING.search(text):
        return f"there is no setting {setting[1]}; name another"
    text = re.sub(r"^While dereferencing interpolation '.*?': ", "", text)
    return f"this has no value that fits ({text}); correct it"


def _present(node: DictConfig | ListConfig) -> Iterable[Any]:
    names: Iterable[Any] = list(node) if isinstance(node, DictConfig) else range(len(node))
    return [name for name in names if not OmegaConf.is_missing(node, name)]
