"""Write files that appear in a folder, local or in a bucket, only when they are complete."""

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from glr import storage
from glr.storage.temporary import temporary_folder

STAGING = ".writing-"  # prefix of the temporary folders in a local folder; a killed process leaves its folder


@contextmanager
def published(folder: str) -> Iterator[tuple[BinaryIO, Callable[[str], None]]]:
    """Yield a file to write, and a function that publishes the complete file in `folder` under a name."""
    bucket = storage.is_bucket(folder)
    # After a kill, the next command deletes the leftovers in the system's folder, and `prepare` those in `folder`.
    with temporary_folder() if bucket else tempfile.TemporaryDirectory(prefix=STAGING, dir=folder) as place:
        staging = Path(place) / "file"
        with staging.open("wb") as file:

            def publish(name: str) -> None:
                file.flush()
                os.fsync(file.fileno())
                if bucket:
                    storage.upload([(staging, storage.join(folder, name))], overwrite=True)
                else:
                    staging.replace(Path(folder) / name)

            yield file, publish


def write_csv(folder: str, name: str, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """Write a CSV with a header; return its path."""
    with published(folder) as (file, publish):
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        publish(name)
        text.detach()
    return storage.join(folder, name)
