"""Class folders: the images below each folder, and the files that are not images."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from glr import storage
from glr.config.installation import pip_install
from glr.data.image_folder import files_below, identity, is_hidden
from glr.data.photo import HEIC_SUFFIXES, is_image
from glr.errors import GlrError

# If all folders have such names, they are the splits of a data set, not classes.
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing", "dev"}


class ClassFolder(NamedTuple):
    """A class: its folder's name, the sorted paths of its images below the folder, and (path, reason) per other file.

    The name is empty for the files beside the class folders.
    """

    name: str
    images: list[str]
    others: list[tuple[str, str]]


def class_folders(path: str) -> Iterator[ClassFolder]:
    """Yield the class folders of a folder, sorted by name. Hidden files and folders do not count; links are followed.

    Raises:
        GlrError: the folder is missing, or its folders are the splits of a data set.
    """
    if storage.is_bucket(path):
        names = sorted(storage.files(path))
        beside = [name for name in names if "/" not in name]
        below = sorted(name.split("/", 1) for name in names if "/" in name)
        folders = ((name, [(rest, None) for _, rest in names]) for name, names in groupby(below, key=itemgetter(0)))
    else:
        if not Path(path).is_dir():
            raise GlrError(f"data.source.path={path}: no such folder")
        entries = sorted(Path(path).iterdir())
        beside = [entry.name for entry in entries if not entry.is_dir()]
        above = (identity(Path(path)),)
        folders = ((entry.name, list(files_below(entry, "", above))) for entry in entries if entry.is_dir())
    if others := [(name, "it lies outside of the class folders") for name in beside if not is_hidden(name)]:
        yield ClassFolder("", [], others)
    seen: set[str] = set()
    for name, files in folders:
        if not is_hidden(name):
            seen.add(name)
            yield _sorted(name, files)
    if len(seen) > 1 and {name.lower() for name in seen} <= _SPLITS:
        names = ", ".join(sorted(seen))
        raise GlrError(
            f"data.source.path={path}: its folders are {names}, which look like splits, not classes; give the path of "
            f"one that holds a folder per class, such as {storage.join(path, min(seen))}"
        )


def _sorted(name: str, files: Iterable[tuple[str, str | None]]) -> ClassFolder:
    images: list[str] = []
    others: list[tuple[str, str]] = []
    for file, reason in files:
        if any(map(is_hidden, file.split("/"))):
            continue
        if reason is None and is_image(file):
            images.append(file)
        else:
            others.append((file, reason or _why_not(file)))
    images.sort(key=lambda file: file.split("/"))
    return ClassFolder(name, images, others)


def _why_not(file: str) -> str:
    suffix = PurePosixPath(file).suffix
    if suffix.lower() in HEIC_SUFFIXES:
        return f"{suffix} files need a library; {pip_install('heic')}"
    return f"its name does not end like an image's ({suffix or 'no suffix'})"
