"""The images below a folder, local or in a bucket: hidden files and folders do not count, links are followed."""

import os
from collections.abc import Iterator
from pathlib import Path

from glr import storage
from glr.data.image_id import check_image_id
from glr.data.photo import is_image
from glr.errors import GlrError
from glr.storage.paths import explained

_LINK = "a link to a folder above it"


def files_below(
    folder: Path, prefix: str = "", above: tuple[tuple[int, int], ...] = ()
) -> Iterator[tuple[str, str | None]]:
    """Yield (path, None) of each file below a local folder, and (path, reason) of each link to a folder above it.

    Args:
        folder: the folder.
        prefix: put before each path.
        above: `identity` of the folders above; a link to one of them would never end.
    """
    if (own := identity(folder)) in above:
        yield prefix.rstrip("/"), _LINK
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        # The entry of a link to itself raises an error instead of False.
        if Path(entry.path).is_dir() if entry.is_symlink() else entry.is_dir():
            yield from files_below(Path(entry.path), f"{prefix}{entry.name}/", (*above, own))
        else:
            yield f"{prefix}{entry.name}", None


def identity(folder: Path) -> tuple[int, int]:
    """Identify a folder, whatever links lead to it."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def is_hidden(name: str) -> bool:
    """Return True if a file or folder of this name does not count."""
    return name.startswith(".") or name == "__MACOSX"


def stamps(folder: str, unnamed: dict[str, str] | None = None) -> dict[str, str]:
    """Return the images below a folder, sorted by path: path relative to it -> a stamp, which changes with the file.

    The stamp is the size, the times of the last change of content and of name (ns), and the inode, which differ if two
    files swap their names; in a bucket, the size and the CRC32C.

    Args:
        folder: local or gs://.
        unnamed: receives path -> reason of images left out because their path is not a line of UTF-8 text; None: such
            an image is an error.

    Raises:
        GlrError: the folder is missing or may not be read, or an image's path is not a line of UTF-8 text.
    """
    if storage.is_bucket(folder):
        stamped = {path: f"{info.size} {info.crc32c}" for path, info in storage.files(folder).items() if _counts(path)}
    elif not Path(folder).is_dir():
        raise GlrError(f"{folder}: there is no such folder")
    else:
        with explained(folder):
            listed = [path for path, reason in files_below(Path(folder)) if reason is None and _counts(path)]
        stamped = {path: stamp for path in listed if (stamp := _stamp(Path(folder, path)))}
    for path in list(stamped):
        try:
            check_image_id(path, storage.join(folder, path))
        except GlrError as error:
            if unnamed is None:
                raise
            unnamed[path] = str(error)
            del stamped[path]
    return dict(sorted(stamped.items()))


def of_content(stamp: str) -> str:
    """Return the part of a stamp that a copy of the file keeps (`cp -p`, `rsync -t`)."""
    return " ".join(stamp.split()[:2])


def _counts(path: str) -> bool:
    return is_image(path) and not any(map(is_hidden, path.split("/")))


def _stamp(file: Path) -> str | None:
    """Return a file's stamp; None if it is gone: deleted since it was listed, or a link to nothing."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
