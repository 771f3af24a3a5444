"""Open the prepared data set that a config names; on request, prepare it first, or download it from its bucket."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from glr import storage
from glr.config.component import build
from glr.config.printing import progress_bar
from glr.data.adopting import adopt
from glr.data.claim import CLAIM
from glr.data.preparation import Options
from glr.data.preparation import prepare as prepare_source
from glr.data.prepared import MANIFEST, OPENING, PreparedData
from glr.data.record_source import RecordSource
from glr.errors import GlrError
from glr.storage.lock import held


def open_data(config: DictConfig, *, prepare: bool, **options: Any) -> PreparedData:
    """Open and verify the set at `config.path`. One process on this machine prepares it; the others wait.

    Args:
        config: a choice of conf/data.
        prepare: make the set from `config.source` if it does not exist.
        options: more fields of `glr.data.preparation.Options`.

    Raises:
        GlrError: the set does not exist, is damaged or was made with other settings, or the source is bad.
    """
    source: Any = OmegaConf.to_container(config.source, resolve=True)
    recorded = {name: config[name] for name in ("validation_share", "max_side", "background")}
    manifest = storage.join(config.path, MANIFEST)
    if prepare and not storage.exists(manifest):
        with nullcontext() if storage.is_bucket(config.path) else _alone(Path(config.path)):
            if not storage.exists(manifest):
                built = build(config.source)
                make: Any = adopt if isinstance(built, RecordSource) else prepare_source
                return make(built, config.path, Options(**recorded, **options), settings=source)
    data = PreparedData(config.path)
    data.check_settings(recorded | {f"source.{key}": value for key, value in source.items()})
    if config.cache_dir is None or not storage.is_bucket(data.records):
        return data
    if data.records != data.path:
        raise GlrError(
            f"data.cache_dir: {data.path} reads its records in {data.records}; a set is copied only if data.path is "
            "the folder of its records"
        )
    return PreparedData(cached(data, Path(config.cache_dir)))


def open_stored(config: DictConfig, cache: Path | None = None) -> PreparedData:
    """Open the set that a stored run's config names. The config is untrusted: glr writes to no path in it.

    Args:
        config: node `data` of the stored config.
        cache: folder for a copy of a set in a bucket; used only if the run kept a copy.

    Raises:
        GlrError: the set does not exist, is damaged or was made with other settings.
    """
    config = config.copy()
    config.cache_dir = str(cache) if cache and config.cache_dir is not None else None
    return open_data(config, prepare=False)


def train_splits(config: DictConfig) -> tuple[str, ...]:
    """The splits of a set that a choice of conf/data trains on."""
    return ("train", "validation") if config.train_on_validation else ("train",)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = folder / OPENING if folder.is_dir() else folder.with_name(f"{folder.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with held(lock):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def cached(data: PreparedData, cache: Path) -> Path:
    """Download a set from its bucket unless `cache` holds it already; return its folder below `cache`.

    Continues an interrupted download and verifies every file's checksum. One process downloads a set; others wait.

    Raises:
        GlrError: a file could not be downloaded or does not match its checksum.
    """
    name = hashlib.blake2b(f"{data.path} {data.digest}".encode(), digest_size=8).hexdigest()
    folder = cache / name
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / ".lock"):
        if not (folder / MANIFEST).is_file():  # downloaded last
            files = {name: info.size for name, info in storage.files(data.path).items()}
            files = {name: size for name, size in files.items() if name not in (MANIFEST, CLAIM)}
            with progress_bar(total=sum(files.values()), unit="B", unit_scale=True, desc="download") as bar:
                storage.download([(data.file(name), folder / name) for name in files], progress=bar.update)
            storage.download([(data.file(MANIFEST), folder / MANIFEST)])
    return folder
