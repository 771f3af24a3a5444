"""The folders that are installed with glr, conf/ and sweeps/, and the command that installs its extras."""

import importlib
import tomllib
from pathlib import Path
from typing import Any

import glr
from glr.errors import GlrError

DISTRIBUTION = "glr-retrieval"  # in package indexes, where `glr` is another project


def shipped(name: str, package: Path) -> Path:
    """Find conf/ or sweeps/: inside an installed package, or beside the package in its checkout.

    The parent of an installed package is site-packages, which may hold another package's `conf/`.

    Raises:
        FileNotFoundError: neither folder exists.
    """
    if (package / name).is_dir():
        return package / name
    project = package.parent / "pyproject.toml"
    if project.is_file() and tomllib.loads(project.read_text()).get("project", {}).get("name") == DISTRIBUTION:
        return package.parent / name
    raise FileNotFoundError(f"{package / name}: this folder of glr is missing; install glr again")


_PACKAGE = Path(glr.__path__[0])
CONF, SWEEPS = (shipped(name, _PACKAGE) for name in ("conf", "sweeps"))


def pip_install(*extras: str) -> str:
    """The command that installs one of these extras: from this checkout, or from a package index."""
    project = "." if CONF.parent != _PACKAGE else DISTRIBUTION
    return "pip install " + " or ".join(f"'{project}[{extra}]'" for extra in extras)


def library(module: str, extra: str, need: str) -> Any:
    """Import a module that one of the extras installs.

    Args:
        module: its name.
        extra: the extra.
        need: says in the message what needs it.

    Raises:
        GlrError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise GlrError(f"{need}; {pip_install(extra)}") from error
