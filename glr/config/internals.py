"""The private parts of Hydra and OmegaConf that glr uses where no public interface exists.

hydra-core 1.3 and omegaconf 2.3 have these parts; other versions may lack them.
"""
# pyright: reportPrivateUsage=false

import pickle
import re
from argparse import Namespace
from collections.abc import Hashable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import version
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import Container, Node

try:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.core_plugins import file_config_source
    from hydra._internal.hydra import Hydra
    from hydra._internal.sources_registry import SourcesRegistry
    from hydra._internal.utils import create_config_search_path, get_args_parser

    _ = Node._get_full_key, ConfigLoaderImpl._parse_overrides_and_create_caching_repo, Hydra.create_main_hydra2
except (ImportError, AttributeError) as error:
    raise ImportError(f"glr needs hydra-core 1.3 and omegaconf 2.3: {error}") from error


class FileConfigSource(file_config_source.FileConfigSource):
    """A folder of the search path whose files this process parses once: each command composes its job four times.

    It has the name of Hydra's class: in a launcher's worker Hydra registers its own after this one, and keeps one of
    the same name.
    """

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the content of a file; the caller may change it."""
        file = Path(self.path, self._normalize_file_name(config_path))
        key = self.provider, file, file.read_bytes() if file.is_file() else None
        if key not in _parsed:
            _parsed[key] = pickle.dumps(super().load_config(config_path))
        return pickle.loads(_parsed[key])


_parsed: dict[Hashable, bytes] = {}


def command_line() -> Namespace:
    """Parse this process's command line as Hydra does; overrides may precede and follow a flag."""
    return get_args_parser().parse_intermixed_args()


def start_hydra(conf: str, config_dir: str | None) -> None:
    """Start Hydra with the search path that `hydra.main(config_path=conf)` makes for the flag --config-dir."""
    version.setbase("1.3")
    Plugins.instance()  # registers Hydra's own kinds of sources
    SourcesRegistry.instance().types[FileConfigSource.scheme()] = FileConfigSource
    path = create_config_search_path(conf)
    if config_dir is not None:
        path.prepend("command-line", f"file://{Path(config_dir).absolute()}", SearchPathQuery(provider="schema"))
    Hydra.create_main_hydra2("app", path)


def load(path: str, given: Sequence[str]) -> ConfigResult | None:
    """Read a file of the running Hydra's search path without its defaults; None: there is no such file.

    Args:
        path: the file, such as `head/arcface`.
        given: the overrides that set the search path.
    """
    return _search_path(_loader(), tuple(given)).load_config(path)


def options(group: str, kind: ObjectType | None, given: Sequence[str]) -> list[str]:
    """List the files or subgroups of a group on the running Hydra's search path; kind None: both.

    Hydra's public function copies all schemas first, which takes 5 ms.
    """
    return _search_path(_loader(), tuple(given)).get_group_options(group, kind)


@lru_cache(maxsize=8)
def _search_path(loader: ConfigLoaderImpl, given: tuple[str, ...]) -> Any:
    return loader._parse_overrides_and_create_caching_repo(None, list(given))[1]


def interpolated_groups(config_name: str, overrides: Sequence[str]) -> frozenset[str]:
    """The groups whose choices select further files of a job: `data` in the default `preset: ${data}`.

    The result has the name `defaults` if an entry refers to others by their numbers: `${defaults.1.data}`.
    """
    files = _loader().compute_defaults_list(config_name, list(overrides), RunMode.RUN).defaults
    repository: Any = _loader()._parse_overrides_and_create_caching_repo(config_name, list(overrides))[1]
    loaded = [repository.load_config(path) for path in {file.config_path for file in files}]
    entries = [str(vars(entry)) for file in loaded if file is not None for entry in file.defaults_list or ()]
    return frozenset(name for text in entries for name in re.findall(r"\$\{(defaults\b|[^}]*)", text))


def _loader() -> ConfigLoaderImpl:
    loader = GlobalHydra.instance().config_loader()
    assert isinstance(loader, ConfigLoaderImpl)
    return loader


def full_key(node: Container) -> str:
    """Return the full key of a node in its config, such as `data.source`."""
    return str(node._get_full_key(None))
