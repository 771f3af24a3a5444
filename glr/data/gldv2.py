"""Download Google Landmarks v2: its CSVs and its archives of images, as published.

Source: https://github.com/cvdfoundation/google-landmark, whose layout on the server is `metadata/`, `ground_truth/`,
`<split>/images_<NNN>.tar` and `md5sum/<split>/md5.images_<NNN>.txt`.
"""

import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path, PurePosixPath

from glr import storage
from glr.config.printing import progress_bar
from glr.data.download import StoppedError, fetch, md5_of
from glr.data.source import CsvSource, Source
from glr.errors import GlrError
from glr.storage.lock import held

ARCHIVES = {"train": 500, "index": 100, "query": 20}
_REMOTE = {"train": "train", "index": "index", "query": "test"}
STATE = ".download"  # below the source's folder: parts of archives, and a note for each archive that is unpacked


def download(source: Source, url: str, *, threads: int) -> None:
    """Download the files that a source names, verify the archives, and unpack them; a second call continues.

    CSVs that exist are kept. Each archive is deleted after it is unpacked, so that the disk holds the images and at
    most `threads` archives of about 1 GB.

    Args:
        source: its class is `CsvSource`.
        url: the server's folder.
        threads: archives at a time.

    Raises:
        GlrError: the source is not GLDv2 on a disk, another process downloads it, or a file fails.
    """
    if type(source) is not CsvSource:
        raise GlrError("download=true: glr can download data=gldv2_clean and data=gldv2_full only")
    if storage.is_bucket(source.path):
        raise GlrError(f"download=true: data.source.path={source.path} is a bucket; give a folder on a disk")
    state = Path(source.path, STATE)
    try:
        state.mkdir(parents=True, exist_ok=True)
        with held(state / "lock", wait=0):
            _download(source, url.rstrip("/"), state, threads)
    except BlockingIOError:
        raise GlrError(f"{source.path} is being downloaded by another process; wait for it") from None
    except OSError as error:
        raise GlrError(
            f"{error.filename or source.path}: {error.strerror or error}; the same command continues"
        ) from error


def _download(source: CsvSource, url: str, state: Path, threads: int) -> None:
    stop = threading.Event()
    tables = [
        *((f"{url}/metadata/{name}", Path(source.path, name)) for name, _ in source.files.values()),
        *((f"{url}/ground_truth/{name}", Path(source.path, name)) for name in source.solutions.values()),
    ]
    jobs = [partial(fetch, remote, file, stop=stop) for remote, file in tables if not file.exists()]
    jobs += [partial(_images, *archive, state, stop) for archive in _archives(source, url)]
    with (
        ThreadPoolExecutor(threads) as pool,
        progress_bar(total=len(jobs), unit=" files", desc="download") as bar,
    ):
        futures = [pool.submit(job) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                bar.update()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _archives(source: CsvSource, url: str) -> Iterator[tuple[str, str, Path]]:
    """Yield the address of each archive, that of its checksum, and the folder to unpack it to."""
    for split, (_, folder) in source.files.items():
        for number in range(ARCHIVES[split]):
            name, remote = f"images_{number:03d}", _REMOTE[split]
            yield f"{url}/{remote}/{name}.tar", f"{url}/md5sum/{remote}/md5.{name}.txt", Path(source.path, folder)


def _images(url: str, checksum: str, folder: Path, state: Path, stop: threading.Event) -> None:
    """Download an archive, verify it and unpack it, unless its note says that this is done."""
    split, name = PurePosixPath(url).parts[-2:]
    archive = state / f"{split}-{name}"
    note = archive.with_suffix(".done")
    if stop.is_set() or note.exists():
        return
    try:
        fetch(url, archive, md5=md5_of(checksum), stop=stop)
    except StoppedError:
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise GlrError(f"{url} cannot be unpacked: {error}") from error
    note.touch()
    archive.unlink()
