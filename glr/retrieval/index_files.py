"""The folder of a stored index: its settings, its rows, and the descriptors of an update under way.

The settings name the folder of the rows, so an index changes in one step, when its settings are replaced.
"""

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glr import storage
from glr.config.identity import RESULT_VERSION
from glr.config.printing import printable
from glr.config.values import StoredType
from glr.errors import GlrError
from glr.retrieval import rows
from glr.retrieval.rows import EMPTY, DamagedIndexError, Part, Rows
from glr.storage.lock import held
from glr.storage.paths import explained

if TYPE_CHECKING:
    from glr.retrieval.trained import TrainedModel

_SETTINGS, _LOCK, _ROWS, _NEW = "glr-index.json", ".lock", "rows-", ".glr-new"
_BEGUN = re.compile(rf"{re.escape(_LOCK)}|{re.escape(_SETTINGS)}\..+\.part")  # left by a process killed at the start
_VERSION = 1  # of the format
_LARGEST = 1_000_000  # bytes of settings


@dataclass(frozen=True)
class Settings:
    """The model and the photos of an index, and its stored type.

    Attributes:
        model: the name that the model had when it described them.
        identity: identifies the model and how it sees images.
        folder: the folder of the photos, local or gs://.
        dtype: the stored type of descriptors, float32 or float16.
    """

    model: str
    identity: str
    folder: str
    dtype: str

    @classmethod
    def of(cls, model: "TrainedModel", folder: str, dtype: str) -> "Settings":
        """The settings of an index by a model.

        Raises:
            GlrError: there is no such dtype.
        """
        if dtype not in StoredType.__members__:
            raise GlrError(f"dtype={dtype}: expected {' or '.join(StoredType.__members__)}")
        return cls(model.name, identity_of(model), storage.normalized(folder), dtype)

    @property
    def digest(self) -> str:
        """A short fingerprint of the format and these settings without the model's name, hexadecimal."""
        key = [_VERSION, self.identity, self.folder, self.dtype]
        return hashlib.blake2b(json.dumps(key).encode(), digest_size=5).hexdigest()


def identity_of(model: "TrainedModel") -> str:
    """Identify a model and how it sees images, whatever its name."""
    key = [RESULT_VERSION, list(model.fingerprint), model.describer.image_size]
    return hashlib.blake2b(json.dumps(key).encode(), digest_size=10).hexdigest()


def local(path: str | Path) -> Path:
    """Return the path of an index as a local one.

    Raises:
        GlrError: it lies in a bucket.
    """
    if storage.is_bucket(path):
        raise GlrError(f"{path}: an index is kept on this machine's disk; give a local folder")
    return Path(path).expanduser()


def exists(folder: Path) -> bool:
    """Return True if the folder is that of an index.

    Raises:
        GlrError: the folder may not be read.
    """
    with explained(folder):
        return (folder / _SETTINGS).is_file()


def pending(folder: Path) -> Path:
    """The folder of the descriptors of an update under way."""
    return folder / ".glr-pending"


def read(folder: Path) -> tuple[Settings, str]:
    """Read the settings of an index, and the name of its rows, empty if it has none yet.

    Raises:
        DamagedIndexError: its settings are damaged.
        GlrError: there is no index, its settings cannot be read, or another version of glr wrote them.
    """
    if not exists(folder):
        raise GlrError(f"{folder} holds no index (it has no {_SETTINGS}); correct the path")
    try:
        content = json.loads(storage.read(folder / _SETTINGS, 0, _LARGEST))
        version, name = content.pop("version"), content.pop("rows")
        settings = Settings(**content)
        whole = type(version) is int and all(isinstance(value, str) and "\0" not in value for value in content.values())
        if not whole or not re.fullmatch("[0-9a-f]{20}|", name) or settings.dtype not in StoredType.__members__:
            raise ValueError("a value has another type or form")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedIndexError(
            printable(f"{folder / _SETTINGS} is damaged ({error}); build the index again at another path")
        ) from error
    if version != _VERSION:
        raise GlrError(f"{folder} was written by another version of glr; build an index at another path")
    return settings, name


def write(folder: Path, settings: Settings, name: str) -> None:
    """Store the settings, and the name of the rows, which belong to the index from now on."""
    content = {"version": _VERSION, **asdict(settings), "rows": name}
    storage.write(folder / _SETTINGS, f"{json.dumps(content, indent=2)}\n".encode(), overwrite=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder of an index, creating it if it is missing.

    Raises:
        GlrError: it cannot be created, holds other files, or holds links, through which a change would write elsewhere.
    """
    if folder.exists() and not folder.is_dir():
        raise GlrError(f"{folder} is a file, and an index needs a folder; give a new path")
    if folder.exists() and not exists(folder) and not all(_BEGUN.fullmatch(file.name) for file in folder.iterdir()):
        raise GlrError(f"{folder} holds other files, and an index needs a folder of its own; give a new path")
    for file in folder.rglob("*"):
        if file.is_symlink():
            raise GlrError(f"{file} is a link, where an index has files of its own; build the index at another path")
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with held(folder / _LOCK):
        yield


def opened(folder: Path, known: str) -> tuple[Settings, str, Rows | None]:
    """Read the settings and the name of the rows, and open the rows; None if their name is the known one.

    Raises:
        DamagedIndexError: a file is damaged or missing.
        GlrError: there is no index, or a file cannot be read.
    """
    settings, name = read(folder)
    while name and name != known:
        try:
            return settings, name, _rows_of(folder, name, settings)
        except GlrError:
            failed = name
            settings, name = read(folder)  # another process may have replaced the rows
            if name == failed:
                raise
    return settings, name, None if name == known else EMPTY


def _rows_of(folder: Path, name: str, settings: Settings) -> Rows:
    place = folder / f"{_ROWS}{name}"
    try:
        if rows.digest(place) != name:
            raise DamagedIndexError("its files differ from their checksums")
        loaded = rows.load(place)
        if loaded.values.dtype != settings.dtype:
            raise DamagedIndexError(f"its descriptors are {loaded.values.dtype}, not {settings.dtype}")
    except GlrError as error:
        if rows.is_outage(error):
            raise
        raise DamagedIndexError(
            printable(f"{folder}: this index is damaged ({error}); build it again at another path")
        ) from error
    return loaded


def set_aside(folder: Path) -> Path | None:
    """Move the files of a damaged index into a new folder beside it; None: another process has mended the index.

    Raises:
        GlrError: the index cannot be read.
    """
    with locked(folder):
        try:
            opened(folder, "")
            return None
        except DamagedIndexError:
            aside = folder.with_name(f"{folder.name}.damaged-{secrets.token_hex(4)}")
            with explained(aside):
                aside.mkdir()
                # The settings last: they mark an index.
                for file in sorted(folder.iterdir(), key=lambda file: file.name == _SETTINGS):
                    if file.name != _LOCK:
                        file.rename(aside / file.name)
            return aside


def store(folder: Path, parts: Sequence[Part], settings: Settings) -> str:
    """Store rows beside those that the index has, and return their name."""
    new = folder / _NEW
    shutil.rmtree(new, ignore_errors=True)
    rows.save(new, parts, settings.dtype)
    name = rows.digest(new)
    shutil.rmtree(folder / f"{_ROWS}{name}", ignore_errors=True)
    new.rename(folder / f"{_ROWS}{name}")
    return name


def tidy(folder: Path, name: str) -> None:
    """Delete what the rows of this name replace."""
    for place in folder.iterdir():
        if place.name in (_NEW, pending(folder).name) or re.fullmatch(f"{_ROWS}(?!{name}$)[0-9a-f]{{20}}", place.name):
            shutil.rmtree(place)
