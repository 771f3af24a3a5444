"""Temporary folders; creating a folder deletes the folders that killed processes left."""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glr.storage.lock import held

_LOCK = re.compile(r"(\.?glr-[0-9a-f]{16})\.lock")  # the lock of the folder of this name; its process holds the lock


@contextmanager
def temporary_folder(beside: Path | None = None) -> Iterator[Path]:
    """Yield a new folder, which is deleted afterwards; first delete the folders that this user's killed processes left.

    Args:
        beside: the parent folder; None: the system's folder for temporary files.
    """
    place = Path(tempfile.gettempdir() if beside is None else beside)
    for file in place.iterdir():
        if (of := _LOCK.fullmatch(file.name)) and not file.is_symlink():
            _clear(file, file.with_name(of[1]))
    folder = place / f"{'glr-' if beside is None else '.glr-'}{secrets.token_hex(8)}"
    file = folder.with_name(f"{folder.name}.lock")
    with held(file):  # another command that cleans up may hold the lock for a moment
        try:
            folder.mkdir(mode=0o700)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            file.unlink(missing_ok=True)


def _clear(file: Path, folder: Path) -> None:
    """Delete a folder and its lock unless its process is running."""
    with suppress(OSError):  # its process is running, it is another user's, or another command deletes it
        if file.stat().st_uid == os.getuid():
            with held(file, wait=0):
                shutil.rmtree(folder, ignore_errors=True)
                file.unlink(missing_ok=True)
