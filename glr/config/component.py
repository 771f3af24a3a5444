"""Components: config nodes that name a class by `_target_`, whose arguments are checked from its source, then built.

A component is known by its place in the config and its class's name (`head: ArcFace`), not by its module's path: the
class is the one that conf/<group>/ names today, so that modules may move and stored configs still resolve. A class of
the user's own (`_target_: mypackage.MyHead`) is known by its full path.

What may be built depends on who names it. A command line may name any class of the kind that belongs there. A stored
config is data from elsewhere: it may name the classes that conf/<group>/ names, and what the user trusts.

The check reads signatures with `ast`, so that it needs no TensorFlow and takes milliseconds.
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr.config.internals import full_key
from glr.config.shorthand import CONF
from glr.errors import GlrError

# Keys of a component's YAML that are not arguments: the target, and the text that tables print.
NOT_ARGUMENTS = {"_target_", "label"}
_OURS = {"glr", "keras"}
_ROOT = Path(__file__).parents[2]


class UnknownSettingError(GlrError):
    """A setting that nothing takes; `key` is its full name."""

    def __init__(self, key: str):
        super().__init__(f"{key} is not a setting")
        self.key = key


def build(config: DictConfig, **runtime: Any) -> Any:
    """Call the config's target with its arguments, and with those run-time values that its signature names.

    Raises:
        GlrError: the target is missing or of another kind than the place's choices, or the constructor refused a value;
            the message names the component.
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
    arguments: dict[Any, Any] = OmegaConf.to_container(config, resolve=True)  # pyright: ignore[reportAssignmentType]
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
    """The nearest base that the classes which conf/ names at a place share; None: there is none, or a function."""
    classes = [_imported(target) for target in named(place).values()]
    if not classes or not all(isinstance(each, type) for each in classes):
        return None
    shared = [base for base in classes[0].__mro__ if all(issubclass(each, base) for each in classes)]
    return None if shared[0] is object else shared[0]


def components(config: DictConfig, prefix: str = "") -> Iterator[tuple[str, DictConfig]]:
    """Yield (full key, node) of every component below `config`, whose own key is `prefix`."""
    for name in map(str, config):
        if OmegaConf.is_missing(config, name) or OmegaConf.is_interpolation(config, name):
            continue
        node, key = config[name], f"{prefix}.{name}" if prefix else name
        if isinstance(node, DictConfig):
            if "_target_" in node:
                yield key, node
            yield from components(node, key)


@cache
def _choices(place: str) -> dict[str, dict[str, Any]]:
    """The targets that conf/ names at a place (`head`, `data.source`), each with its arguments there."""
    group, *path = place.split(".")
    targets: dict[str, dict[str, Any]] = {}
    for file in sorted((CONF / group).rglob("*.yaml")):
        node: Any = OmegaConf.to_container(OmegaConf.load(file))
        for name in path:
            node = node.get(name) or {}
        if target := node.get("_target_"):
            targets.setdefault(target, {}).update(node)
    return targets


@cache
def named(place: str) -> dict[str, str]:
    """The classes that conf/ names at a place (`head`, `data.source`): class name -> full path."""
    return {target.rpartition(".")[2]: target for target in _choices(place)}


def class_of(place: str, target: str) -> str:
    """What identifies a component's class: its name if it is one of glr's or Keras's, else its full path."""
    name = target.rpartition(".")[2]
    return name if target.split(".")[0] in _OURS and name in named(place) else target


def resolve(config: DictConfig, trust: Sequence[str] = ()) -> None:
    """Let every component of a stored config name its class where conf/ names it today.

    Args:
        config: is changed.
        trust: packages, or full paths of classes, that may be built although conf/ does not name them.

    Raises:
        GlrError: it names something else.
    """
    for key, node in components(config):
        target = str(node["_target_"])
        known, name, package = named(key), target.rpartition(".")[2], target.split(".")[0]
        if package in _OURS and name in known:
            node["_target_"] = known[name]
        elif package == "glr":
            has = ", ".join(known) or "none"
            raise GlrError(f"{key}: this version of glr has no class {name} there (it has {has})")
        elif not any(target == each or target.startswith(f"{each}.") for each in trust):
            trusted = target if package in _OURS else package
            raise GlrError(
                f"{key}._target_={target}: glr does not run code that a stored config names; "
                f"if you trust it, add trust=[{trusted}]"
            )


def check(key: str, node: DictConfig, runtime: set[str]) -> None:
    """Hold a component's settings against its target's signature.

    Args:
        key: where the component stands.
        node: its config.
        runtime: arguments that only the run knows; not to be set.

    Raises:
        UnknownSettingError: an argument that the target does not have.
        GlrError: a target that does not belong there, a missing argument, or a value of a wrong type.
    """
    target = node["_target_"]
    _check_target(key, target)
    settings = [str(name) for name in node if name not in NOT_ARGUMENTS]
    try:
        arguments = signature(target)
    except GlrError as error:
        raise GlrError(f"{key}._target_={target}: {error}") from error
    if arguments is None:  # of Keras: the YAML's arguments are all, and its values show their types
        choices = _choices(key)
        defaults = choices.get(target) or {name: value for each in choices.values() for name, value in each.items()}
        for name in settings:
            if name not in defaults:
                raise UnknownSettingError(f"{key}.{name}")
            check_type(f"{key}.{name}", node, name, _type_of_value(defaults[name]))
        return
    for name in settings:
        if name not in arguments or name in runtime:
            raise UnknownSettingError(f"{key}.{name}")
        if target.split(".")[0] == "glr" or _is_checkable(arguments[name]):
            check_type(f"{key}.{name}", node, name, arguments[name])
    for name in arguments:
        if name not in runtime and name not in node:
            raise GlrError(f"{key}.{name} is missing: {target} needs it; list it in the YAML of this choice")


def _check_target(key: str, target: Any) -> None:
    """Refuse what is no class for a place: of glr and Keras only those in modules that conf/ names there belong."""
    package = target.split(".")[0] if isinstance(target, str) else ""
    modules = {each.rpartition(".")[0] for each in named(key).values()}
    if package in _OURS and target.rpartition(".")[0] not in modules:
        names = ", ".join(sorted(named(key).values())) or "none"
        raise GlrError(f"{key}._target_={target}: expected one of {names}, or a class of your own")
    if "." not in str(target) or not package or package in sys.stdlib_module_names:
        raise GlrError(f"{key}._target_={target}: expected a class of glr, Keras or your own, as mypackage.MyHead")


@cache
def signature(target: str) -> dict[str, str] | None:
    """The arguments of a class or function: name -> annotation, as written in the source.

    A class without a constructor of its own has that of its bases. None: the constructor is Keras's.

    Raises:
        GlrError: no such module, class or function.
    """
    module, _, name = target.rpartition(".")
    if module.split(".")[0] == "keras":
        return None
    tree = ast.parse(_source(module).read_text())
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            return _arguments(statement)
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            for member in statement.body:
                if isinstance(member, ast.FunctionDef) and member.name == "__init__":
                    return _arguments(member)
            if any("dataclass" in ast.unparse(decorator) for decorator in statement.decorator_list):
                fields = [member for member in statement.body if isinstance(member, ast.AnnAssign)]
                return {ast.unparse(member.target): ast.unparse(member.annotation) for member in fields}
            for base in statement.bases:  # the first that has a constructor, as in Python
                found = _inherited(_qualified(ast.unparse(base), tree, module))
                if found is None or found:
                    return found
            return {}
        if isinstance(statement, ast.ImportFrom) and any((a.asname or a.name) == name for a in statement.names):
            return signature(_qualified(name, tree, module))
    raise GlrError(f"module {module} has no class or function {name}")


def _inherited(base: str) -> dict[str, str] | None:
    return {} if base.split(".")[0] in sys.stdlib_module_names else signature(base)


def _source(module: str) -> Path:
    """The file of a module; those of glr's own are found without importing their packages."""
    path = _ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if module.split(".")[0] == "glr" and file.is_file():
            return file
    try:
        spec = None if module.split(".")[0] == "glr" else find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise GlrError(f"there is no module {module}")
    return Path(spec.origin)


def _qualified(name: str, tree: ast.Module, module: str) -> str:
    """The full path of a name that a module defines or imports."""
    first, _, rest = name.partition(".")
    for statement in tree.body:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        for alias in statement.names:
            if (alias.asname or alias.name.split(".")[0]) != first:
                continue
            if isinstance(statement, ast.Import):
                return f"{alias.name}.{rest}" if alias.asname else name
            level = statement.level - (_source(module).name == "__init__.py")
            parents = module.split(".")[: len(module.split(".")) - level] if statement.level else []
            package = ".".join([*parents, *([statement.module] if statement.module else [])])
            return ".".join([package, alias.name, *([rest] if rest else [])])
    return f"{module}.{name}"


def _arguments(function: ast.FunctionDef) -> dict[str, str]:
    arguments = [*function.args.args, *function.args.kwonlyargs]
    return {a.arg: ast.unparse(a.annotation) if a.annotation else "Any" for a in arguments if a.arg != "self"}


def _type_of_value(value: Any) -> str:
    # A null in a Keras component's YAML is a number that is off.
    return "float | None" if value is None else type(value).__name__


def check_type(key: str, node: DictConfig, name: str, annotation: str) -> None:
    """Raise GlrError unless the value fits the annotation, written as in the source (`float | None`, ...)."""
    if OmegaConf.is_missing(node, name):
        return  # a required setting that is not given yet is reported with all others
    value = node[name]
    if isinstance(value, list | tuple) or OmegaConf.is_list(value):
        value = list(value)
    elif OmegaConf.is_dict(value):
        value = dict(value)
    if not any(_fits(value, option) for option in _options(annotation)):
        wanted = " or ".join(_words(option) for option in _options(annotation))
        raise GlrError(f"{key}={'null' if value is None else value}: expected {wanted}")


@cache
def _options(annotation: str) -> list[Any]:
    """The alternatives of a union: type names, list[...] as written, and the values of a Literal."""
    options: list[Any] = []

    def visit(node: ast.expr) -> None:
        if isinstance(node, ast.BinOp):
            visit(node.left)
            visit(node.right)
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            options.extend(("literal", ast.literal_eval(value)) for value in values)
        else:
            options.append(ast.unparse(node))

    visit(ast.parse(annotation, mode="eval").body)
    return options


def _is_checkable(annotation: str) -> bool:
    """Whether `check_type` knows the annotation; that of a user's class may be any."""
    kinds, options = {"None", "bool", "int", "float", "str", "list"}, _options(annotation)
    return all(isinstance(o, tuple) or o.removeprefix("list[").removesuffix("]") in kinds for o in options)


def _fits(value: Any, option: Any) -> bool:
    if isinstance(option, tuple):
        return value == option[1]
    if option.startswith("list["):
        return isinstance(value, list) and all(_fits(item, option[5:-1]) for item in value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    checks = {
        "None": value is None,
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": number,
        "str": isinstance(value, str),
        "list": isinstance(value, list),
    }
    if option not in checks:
        raise TypeError(f"a component's argument is annotated {option!r}; the check knows {', '.join(checks)}")
    return checks[option]


def _words(option: Any) -> str:
    if isinstance(option, tuple):
        return str(option[1])
    words = {"None": "null", "bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}
    return words.get(option, f"a list of {_words(option[5:-1])}s" if option.startswith("list[") else option)
