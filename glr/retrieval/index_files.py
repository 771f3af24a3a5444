"""The folder of a stored index: its settings, its rows, and the descriptors of an update under way.

The settings name the folder of the rows, so an index changes in one step, when its settings are replaced.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glr import storage
from glr.config.identity import RESULT_VERSION
from glr.config.values import StoredType
from glr.errors import GlrError
from glr.retrieval import rows
from glr.retrieval.rows import Part, Rows

if TYPE_CHECKING:
    from glr.retrieval.trained import TrainedModel

_SETTINGS, _ROWS, _NEW = "index.json", "rows-", "new"
_VERSION = 1  # of the format
_LARGEST = 1_000_000  # bytes of settings


@dataclass(frozen=True)
class Settings:
    """What an index is of.

    Attributes:
        model: the model's name.
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
        key = [RESULT_VERSION, list(model.fingerprint), model.describer.image_size]
        identity = hashlib.blake2b(json.dumps(key).encode(), digest_size=10).hexdigest()
        return cls(model.name, identity, storage.normalized(folder), dtype)

    @property
    def digest(self) -> str:
        """A short fingerprint of these settings, hexadecimal."""
        return hashlib.blake2b(json.dumps(asdict(self)).encode(), digest_size=5).hexdigest()


def local(path: str | Path) -> Path:
    """Return the path of an index as a local one.

    Raises:
        GlrError: it lies in a bucket.
    """
    if storage.is_bucket(path):
        raise GlrError(f"{path}: an index is kept on this machine's disk; give a local folder")
    return Path(path).expanduser()


def exists(folder: Path) -> bool:
    """Return True if the folder is that of an index."""
    return (folder / _SETTINGS).is_file()


def pending(folder: Path) -> Path:
    """The folder of the descriptors of an update under way."""
    return folder / "pending"


def read(folder: Path) -> tuple[Settings, str]:
    """Read the settings of an index, and the name of its rows, empty if it has none yet.

    Raises:
        GlrError: there is no index, or its settings are damaged or of another version.
    """
    if not exists(folder):
        raise GlrError(f"{folder} holds no index (it has no {_SETTINGS}); correct the path")
    try:
        content = json.loads(storage.read(folder / _SETTINGS, 0, _LARGEST))
        version, name = content.pop("version"), content.pop("rows")
        settings = Settings(**content)
        whole = all(isinstance(value, str) for value in [name, *content.values()]) and re.fullmatch(
            "[0-9a-f]{20}|", name
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GlrError(
            f"{folder / _SETTINGS} is damaged ({error}); delete the folder and build the index again"
        ) from error
    if version != _VERSION or not whole or settings.dtype not in StoredType.__members__:
        raise GlrError(f"{folder / _SETTINGS} is damaged or of another version of glr; build the index again")
    return settings, name


def write(folder: Path, settings: Settings, name: str) -> None:
    """Store the settings, and the name of the rows, which belong to the index from now on."""
    content = {"version": _VERSION, **asdict(settings), "rows": name}
    storage.write(folder / _SETTINGS, f"{json.dumps(content, indent=2)}\n".encode(), overwrite=True)


def check_links(folder: Path) -> None:
    """Refuse an index that holds links, through which a change of it would write elsewhere.

    Raises:
        GlrError: it does.
    """
    for file in folder.rglob("*"):
        if file.is_symlink():
            raise GlrError(f"{file} is a link, where an index has files of its own; build the index again")


def rows_of(folder: Path, name: str, settings: Settings) -> Rows:
    """Open the rows of a name.

    Raises:
        GlrError: they are damaged.
    """
    place = folder / f"{_ROWS}{name}"
    try:
        if rows.digest(place) != name:
            raise GlrError("its files differ from their checksums")
        opened = rows.load(place)
        if opened.values.dtype != settings.dtype:
            raise GlrError(f"its descriptors are {opened.values.dtype}, not {settings.dtype}")
    except GlrError as error:
        raise GlrError(f"{folder}: this index is damaged ({error}); delete the folder and build it again") from error
    return opened


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
