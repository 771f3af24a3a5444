"""Components: config nodes that name a class by `_target_`; check their arguments, then build the object.

A component's identity is its place in the config and its class's name (`head: ArcFace`). The module is no part of it:
conf/<group>/ names the current module, so stored configs still resolve after a module has moved. A user's own class
(`_target_: mypackage.MyHead`) is identified by its full path.

A command line may name any class of the kind that its place requires. A stored config is untrusted data: it may name
only the classes in conf/<group>/ and the classes that the user trusts.

The check reads signatures from the source (`glr.config.signature`), so it needs no TensorFlow and takes milliseconds.
"""

import importlib
import inspect
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from glr.config.installation import CONF
from glr.config.internals import full_key
from glr.config.signature import check_type, is_checkable, signature, type_of_value
from glr.errors import GlrError

# Keys of a component's YAML that are not arguments: the target, the text that tables print, and the default of
# data.normalization with this backbone.
NOT_ARGUMENTS = {"_target_", "label", "expects"}
_OURS = {"glr", "keras"}


class UnknownSettingError(GlrError):
    """The setting does not exist; `key` is its full name."""

    def __init__(self, key: str):
        super().__init__(f"{key} is not a setting")
        self.key = key


def build(config: DictConfig, **runtime: Any) -> Any:
    """Call the config's target with the config's arguments and the run-time values that the target accepts.

    Raises:
        GlrError: the target does not exist, does not derive from the base class that the place's choices share, or
            refused a value in its constructor; the message names the component.
    """
    target, place = config["_target_"], full_key(config)
    try:
        factory = _imported(target)
    except (ImportError, AttributeError) as error:
        if target.split(".")[0] in _OURS:
            raise
        raise GlrError(f"{place}._target_={target}: {error}") from error
    kind = None if target in named(place).values() else _kind(place)
    if kind and not (isinstance(factory, type) and issubclass(factory, kind)):
        raise GlrError(f"{place}._target_={target}: expected a class derived from {kind.__module__}.{kind.__name__}")
    arguments: Any = OmegaConf.to_container(config, resolve=True)
    arguments = {key: value for key, value in arguments.items() if key not in NOT_ARGUMENTS}
    arguments |= {key: value for key, value in runtime.items() if key in inspect.signature(factory).parameters}
    try:
        return factory(**arguments)
    except ValueError as error:
        raise GlrError(f"{place}: {error}") from error


def _imported(target: str) -> Any:
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


@cache
def _kind(place: str) -> type | None:
    """The nearest common base of a place's classes in conf/; None if they have none or a choice is a function."""
    classes = [_imported(target) for target in named(place).values()]
    if not classes or not all(isinstance(each, type) for each in classes):
        return None
    shared = [base for base in classes[0].__mro__ if all(issubclass(each, base) for each in classes)]
    return None if shared[0] is object else shared[0]


def components(config: DictConfig, prefix: str = "", passed: Collection[Any] = ()) -> Iterator[tuple[str, DictConfig]]:
    """Yield (full key, node) of every component below `config`, except below its keys `passed`.

    `prefix` is the full key of `config`.
    """
    names: list[Any] = list(config)
    for name in names:
        if name in passed or OmegaConf.is_missing(config, name) or OmegaConf.is_interpolation(config, name):
            continue
        node, key = config[name], f"{prefix}.{name}" if prefix else str(name)
        if isinstance(node, DictConfig):
            if "_target_" in node:
                yield key, node
            yield from components(node, key)


@cache
def _files(place: str) -> dict[str, list[Path]]:
    """The targets that conf/ names at a place (`head`, `data.source`), each with the YAML files that name it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # every command reads all choices; OmegaConf takes 130 ms
    group, *path = place.split(".")
    files: dict[str, list[Path]] = {}
    for file in sorted((CONF / group).rglob("*.yaml")):
        node = yaml.load(file.read_text(), loader)
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
        if isinstance(node, dict) and "_target_" in node:
            files.setdefault(node["_target_"], []).append(file)
    return files


@cache
def named(place: str) -> dict[str, str]:
    """The classes that conf/ names at a place (`head`, `data.source`): class name -> full path."""
    return {target.rpartition(".")[2]: target for target in _files(place)}


@cache
def _listed(place: str, target: str) -> dict[str, object]:
    """Return the arguments that conf/ lists for a target, with values; for an unlisted target, those of all choices."""
    files = _files(place)
    values: dict[str, object] = {}
    for file in files.get(target) or chain.from_iterable(files.values()):
        node: Any = OmegaConf.to_container(OmegaConf.load(file))
        for name in place.split(".")[1:]:
            node = node[name]
        values |= node
    return values


def class_of(place: str, target: str) -> str:
    """The identity of a component's class: its name if conf/ names the class at this place, else its full path.

    A class of glr is identified by its name alone, because its module may have moved.
    """
    name = target.rpartition(".")[2]
    known = named(place).get(name)
    return name if known == target or (known and target.split(".")[0] == "glr") else target


def resolve(config: DictConfig, trust: Sequence[str] = ()) -> None:
    """Update every component of a stored config to the class path that conf/ names today.

    Args:
        config: changed in place.
        trust: packages or full class paths that are allowed although conf/ does not name them.

    Raises:
        GlrError: a component names a class that neither conf/ nor `trust` allows.
    """
    for key, node in components(config):
        target = node["_target_"]
        known, name, package = named(key), str(target).rpartition(".")[2], str(target).split(".")[0]
        if package in _OURS and name in known:
            node["_target_"] = known[name]
            continue
        if package == "glr":
            has = ", ".join(known) or "none"
            raise GlrError(f"{key}: this version of glr has no class {name} there (it has {has})")
        # First refuse what `trust` could not allow. Only Keras's classes have settings that need no import to check.
        if package == "keras":
            check(key, node, set())
        else:
            _check_target(key, target)
        if not any(target == each or target.startswith(f"{each}.") for each in trust):
            trusted = target if package in _OURS else package
            raise GlrError(
                f"{key}._target_={target}: glr does not run code that a stored config names; "
                f"if you trust it, add trust=[{trusted}]"
            )


def check(key: str, node: DictConfig, runtime: set[str]) -> None:
    """Check a component's settings against its target's signature.

    Args:
        key: the key that holds the component.
        node: its config.
        runtime: arguments that are known only at run time; a config must not set them.

    Raises:
        UnknownSettingError: an argument that the target does not have.
        GlrError: a target that is not allowed at this key, a missing argument, or a value of a wrong type.
    """
    target = node["_target_"]
    _check_target(key, target)
    settings = [str(name) for name in node if name not in NOT_ARGUMENTS]
    try:
        arguments = signature(target)
    except GlrError as error:
        raise GlrError(f"{key}._target_={target}: {error}") from error
    if arguments is None:  # a Keras class: the YAML lists all arguments, and its values show their types
        defaults = _listed(key, target)
        for name in settings:
            if name not in defaults:
                raise UnknownSettingError(f"{key}.{name}")
            check_type(f"{key}.{name}", node, name, type_of_value(defaults[name]))
        return
    for name in settings:
        if name not in arguments or name in runtime:
            raise UnknownSettingError(f"{key}.{name}")
        if target.split(".")[0] == "glr" or is_checkable(arguments[name]):
            check_type(f"{key}.{name}", node, name, arguments[name])
    for name in arguments:
        if name not in runtime and name not in node:
            raise GlrError(f"{key}.{name} is missing: {target} needs it; list it in the YAML of this choice")


def _check_target(key: str, target: Any) -> None:
    """Refuse glr classes that conf/ does not name at this place, and classes of Keras modules that it does not use."""
    package = target.split(".")[0] if isinstance(target, str) else ""
    ours = named(key).values()
    modules = {each.rpartition(".")[0] for each in ours if not each.startswith("glr.")}
    if package in _OURS and target not in ours and target.rpartition(".")[0] not in modules:
        names = ", ".join(sorted(ours)) or "none"
        raise GlrError(f"{key}._target_={target}: expected one of {names}, or a class of your own")
    if "." not in str(target) or not package or package in sys.stdlib_module_names:
        raise GlrError(f"{key}._target_={target}: expected a class of glr, Keras or your own, as mypackage.MyHead")
