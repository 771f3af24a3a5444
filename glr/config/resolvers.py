"""The schemas and resolvers that conf/ needs, registered with Hydra and OmegaConf."""

import os
import secrets
from functools import lru_cache

from omegaconf import DictConfig, OmegaConf

from glr.config.installation import SWEEPS
from glr.config.names import as_file_name, base_name
from glr.config.schema import register
from glr.config.searchpath import choices


def decimal(number: float) -> str:
    """Format a number for tables, without an exponent or trailing zeros: 1e-05 -> 0.00001."""
    return f"{number:.12f}".rstrip("0").rstrip(".")


def setup() -> None:
    """Register schemas and resolvers; call it once before any config is composed."""
    register()
    OmegaConf.register_new_resolver("decimal", decimal, replace=True)
    # A random part of a folder's name: two commands that start in the same second get different folders.
    OmegaConf.register_new_resolver("token", lambda: _token(os.getpid()), replace=True)
    # Makes a setting safe as the name of a folder: a study's name cannot point to another folder.
    OmegaConf.register_new_resolver("file_name", as_file_name, replace=True)
    # The last part of a path, as a set's name in titles.
    OmegaConf.register_new_resolver("base_name", base_name, replace=True)
    # Lists the choices of this command's groups in --help; Hydra would list the groups of all commands.
    OmegaConf.register_new_resolver("choices", _listed, replace=True)
    # The text that a label shows for null: ${or:${.scale},C-1}.
    OmegaConf.register_new_resolver("or", lambda value, instead: instead if value is None else value, replace=True)


@lru_cache(maxsize=1)
def _token(process: int) -> str:  # noqa: ARG001 (a forked process gets its own token)
    return secrets.token_hex(3)


def _listed(*groups: str, _root_: DictConfig) -> str:
    """List the choices of groups, a line each, on the search path of the composed config `_root_`."""
    names = {"sweep": sorted(file.stem for file in SWEEPS.glob("*.yaml"))}
    overrides = [str(text) for text in _root_.hydra.overrides.hydra]
    return "\n".join(f"{group}: {', '.join(names.get(group) or choices(group, overrides))}" for group in groups)
