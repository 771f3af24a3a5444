"""Read signatures from the source with `ast`, and check values against them, without importing their modules."""

import ast
import sys
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from glr.errors import GlrError

_ROOT = Path(__file__).parents[2]


@cache
def signature(target: str) -> dict[str, str] | None:
    """The arguments of a class or function: name -> annotation, as written in the source.

    A class without its own constructor has the arguments of its base's constructor. None: the constructor is Keras's.

    Raises:
        GlrError: no such module, class or function.
    """
    if (definition := _defined(target)) is None:
        return None
    statement, tree, module = definition
    if isinstance(statement, ast.FunctionDef):
        return _arguments(statement)
    for member in statement.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return _arguments(member)
    if any("dataclass" in ast.unparse(decorator) for decorator in statement.decorator_list):
        fields = [member for member in statement.body if isinstance(member, ast.AnnAssign)]
        return {ast.unparse(member.target): ast.unparse(member.annotation) for member in fields}
    for base in statement.bases:  # the first base that has a constructor, as in Python
        inherited = _inherited(_qualified(ast.unparse(base), tree, module))
        if inherited is None or inherited:
            return inherited
    return {}


@cache
def declared(target: str, attribute: str) -> object:
    """The constant that a class, or else one of its bases, assigns to a class attribute; None: none can be read."""
    if target.split(".")[0] in sys.stdlib_module_names:
        return None
    try:
        definition = _defined(target)
    except GlrError:
        return None
    if definition is None or isinstance(definition[0], ast.FunctionDef):
        return None
    statement, tree, module = definition
    for member in statement.body:
        if isinstance(member, ast.Assign) and attribute in map(ast.unparse, member.targets):
            return member.value.value if isinstance(member.value, ast.Constant) else None
    values = (declared(_qualified(ast.unparse(base), tree, module), attribute) for base in statement.bases)
    return next((value for value in values if value is not None), None)


def _defined(target: str) -> tuple[ast.ClassDef | ast.FunctionDef, ast.Module, str] | None:
    """Return the statement that defines a class or function, its module's tree and its module's name.

    The target may name a module that imports it from another. None: it is Keras's.

    Raises:
        GlrError: no such module, class or function.
    """
    module, _, name = target.rpartition(".")
    if module.split(".")[0] == "keras":
        return None
    tree = ast.parse(_source(module).read_text())
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef) and statement.name == name:
            return statement, tree, module
        if isinstance(statement, ast.ImportFrom) and any((a.asname or a.name) == name for a in statement.names):
            return _defined(_qualified(name, tree, module))
    raise GlrError(f"module {module} has no class or function {name}")


def _inherited(base: str) -> dict[str, str] | None:
    return {} if base.split(".")[0] in sys.stdlib_module_names else signature(base)


def _source(module: str) -> Path:
    """The file of a module; a module of glr is found without importing its package."""
    path = _ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if module.split(".")[0] == "glr" and file.is_file():
            return file
    try:
        spec = None if module.split(".")[0] == "glr" else _spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise GlrError(f"there is no module {module}")
    return Path(spec.origin)


def _spec(module: str) -> ModuleSpec | None:
    """Find a module without importing its packages, as `find_spec` of a submodule would."""
    top, *names = module.split(".")
    spec = find_spec(top)
    for name in names:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{name}", spec.submodule_search_locations)
    return spec


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


def type_of_value(value: object) -> str:
    """The type of a default; null in a Keras component's YAML stands for an optional number."""
    return "float | None" if value is None else type(value).__name__


def check_type(key: str, node: DictConfig, name: str, annotation: str) -> None:
    """Raise GlrError unless the value fits the annotation, written as in the source (`float | None`, ...)."""
    if OmegaConf.is_missing(node, name):
        return  # missing settings are reported together
    value = node[name]
    if isinstance(value, list | tuple) or OmegaConf.is_list(value):
        value = list(value)
    elif OmegaConf.is_dict(value):
        value = dict(value)
    if not any(_fits(value, option) for option in _options(annotation)):
        wanted = " or ".join(_words(option) for option in _options(annotation))
        quoting = f"; write {key}=\"'{value}'\"" if "a text" in wanted and isinstance(value, int | float) else ""
        raise GlrError(f"{key}={'null' if value is None else value}: expected {wanted}{quoting}")


@cache
def _options(annotation: str) -> list[str | tuple[str, object]]:
    """The alternatives of a union: type names, list[...] as written, and the values of a Literal."""
    options: list[str | tuple[str, object]] = []

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


def is_checkable(annotation: str) -> bool:
    """Return whether `check_type` knows the annotation; a user's class may have any annotation."""
    kinds, options = {"None", "bool", "int", "float", "str", "list"}, _options(annotation)
    return all(isinstance(o, tuple) or o.removeprefix("list[").removesuffix("]") in kinds for o in options)


def _fits(value: object, option: str | tuple[str, object]) -> bool:
    if isinstance(option, tuple):
        return value == option[1]
    if option.startswith("list["):
        return isinstance(value, list) and all(_fits(item, option[5:-1]) for item in value)
    if option.startswith("dict["):
        return isinstance(value, dict)
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


def _words(option: str | tuple[str, object]) -> str:
    if isinstance(option, tuple):
        return str(option[1])
    words = {
        "None": "null",
        "bool": "true or false",
        "int": "a whole number",
        "float": "a number",
        "str": "a text",
        "dict[str, Any]": "a mapping",
    }
    return words.get(option, f"a list of {_words(option[5:-1])}s" if option.startswith("list[") else option)
