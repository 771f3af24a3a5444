"""Objects in Google Cloud Storage, by path (`gs://BUCKET/NAME`): the operations that `glr.storage` builds on.

Only this module talks to Google Cloud Storage. It imports the library at first use, since most runs need no bucket.
The precondition of each write is the generation that it replaces, so any request can be repeated. Requests are
repeated for two minutes while the service is busy or cannot be reached.
"""

import base64
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c

from glr.errors import GlrError, first_line

# Bytes per request. A thread holds one request in memory, and `_PATIENCE` limits one request.
CHUNK = 2**24
# Connections that are kept open, and so the highest useful number of threads.
CONNECTIONS = 64
_PATIENCE = 120.0  # seconds
_READER, _WRITER = "roles/storage.objectViewer", "roles/storage.objectUser"

_client_lock = threading.Lock()


class ReplacedError(GlrError):
    """Another process has written or deleted the object since `look` found it."""


class UnreachableError(GlrError):
    """The service does not answer, or there is no network: the same request may succeed later."""


class CredentialsError(UnreachableError):
    """There are no valid credentials: the same request succeeds after a login."""


@dataclass(frozen=True)
class FileInfo:
    """A file's size in bytes and its CRC32C (hexadecimal; None for a local file)."""

    size: int
    crc32c: str | None

    @classmethod
    def of(cls, data: bytes) -> "FileInfo":
        """Describe a file with these bytes."""
        return cls(len(data), google_crc32c.Checksum(data).hexdigest().decode())


@dataclass(frozen=True)
class Object:
    """An object as `look` found it; each write gives an object a new generation."""

    path: str
    info: FileInfo
    generation: int


def look(path: str | Path) -> Object | None:
    """Return the object that is now at a path, or None.

    Raises:
        GlrError: the bucket is missing, or may not be read.
    """
    from google.api_core.exceptions import NotFound

    with _explained(path):
        blob = _blob(path)
        try:
            blob.reload(retry=_retry())
        except NotFound as error:
            if _without_bucket(error):
                raise
            return None
        return Object(str(path), _info(blob), blob.generation)


def existing(path: str | Path) -> Object:
    """Return the object that is now at a path.

    Raises:
        GlrError: the object does not exist.
    """
    stored = look(path)
    if stored is None:
        raise GlrError(f"{path} does not exist; correct the path")
    return stored


def fetch(stored: Object, file: BinaryIO, start: int, end: int, step: Callable[[int], None] = lambda _: None) -> None:
    """Append the bytes [start, end) of an object to a file; the caller checks the CRC32C.

    Args:
        stored: the object.
        file: the file to append to.
        start, end: positions within the object.
        step: function to call with the number of bytes that have just arrived.

    Raises:
        ReplacedError: the object was replaced or deleted.
        GlrError: the object may not be read, or the service cannot be reached.
    """
    for position in range(start, end, CHUNK):
        stop = min(position + CHUNK, end)
        with _explained(stored.path):
            _blob(stored.path).download_to_file(
                file,
                start=position,
                end=stop - 1,
                raw_download=True,
                if_generation_match=stored.generation,
                checksum=None,
                retry=_retry(),
            )
        step(stop - position)


def store(
    path: str | Path, content: BinaryIO, info: FileInfo, seen: Object | None, *, same_will_do: bool = False
) -> None:
    """Upload an object; it becomes visible only when it is complete and its CRC32C is right.

    Args:
        path: the object's path.
        content: its bytes.
        info: their size and CRC32C.
        seen: the object to replace; None: no object may exist at the path.
        same_will_do: accept an object with the same content that another process has just written.

    Raises:
        ReplacedError: another process has written the object since `look` found it.
        GlrError: the object may not be written, or the service cannot be reached.
    """
    from google.api_core.exceptions import PreconditionFailed

    failures: list[Exception] = []
    with _explained(path, _WRITER):
        blob = _blob(path, chunk_size=CHUNK)
        blob.crc32c = base64.b64encode(bytes.fromhex(info.crc32c or "")).decode()  # the service refuses other content
        try:
            blob.upload_from_file(
                content,
                size=info.size,
                if_generation_match=0 if seen is None else seen.generation,
                checksum=None,
                retry=_retry(failures.append),
            )
        except PreconditionFailed as error:
            # After a failed try, equal content comes from that try, whose answer was lost.
            stored = look(path) if failures or same_will_do else None
            if stored is None or stored.info != info:
                change = "exists already" if seen is None else "was changed by someone else just now"
                raise ReplacedError(f"{path} {change}; look at it, then delete it or take another name") from error


def remove(stored: Object) -> None:
    """Delete an object.

    Raises:
        ReplacedError: another process has written the object since `look` found it.
        GlrError: the object may not be deleted, or the service cannot be reached.
    """
    from google.api_core.exceptions import NotFound

    with _explained(stored.path, _WRITER):
        try:
            _blob(stored.path).delete(if_generation_match=stored.generation, retry=_retry())
        except NotFound:
            return  # deleted by another process, or by a request whose answer was lost


def objects(folder: str | Path) -> dict[str, FileInfo]:
    """The objects below a folder: relative name -> size and CRC32C, without the empty objects that stand for folders.

    Raises:
        GlrError: the bucket is missing or may not be read, or an object's name is no path below the folder.
    """
    bucket, name = _split(folder)
    prefix = f"{name.rstrip('/')}/" if name else ""
    with _explained(folder):
        fields = "items(name,size,crc32c),nextPageToken"
        blobs = _client().list_blobs(bucket, prefix=prefix or None, fields=fields, retry=_retry())
        infos = {blob.name.removeprefix(prefix): _info(blob) for blob in blobs if not blob.name.endswith("/")}
    for name in infos:
        if {"", ".", ".."} & set(name.split("/")):
            raise GlrError(f"{folder} holds an object {name!r}, whose name is no path below it; delete or rename it")
    return infos


def region(path: str | Path) -> str | None:
    """The region of a path's bucket, such as europe-west4; None: several regions, or this account may not know.

    Raises:
        GlrError: the bucket is missing, or the service cannot be reached.
    """
    from google.api_core.exceptions import Forbidden

    with _explained(path):
        try:
            bucket = _client().get_bucket(_split(path)[0], retry=_retry())
        except Forbidden:  # roles/storage.objectUser may not look at the bucket itself
            return None
        return bucket.location.lower() if bucket.location_type == "region" and bucket.location else None


def _split(path: str | Path) -> tuple[str, str]:
    bucket, _, name = str(path).removeprefix("gs://").partition("/")
    if not str(path).startswith("gs://") or not bucket:
        raise GlrError(f"{path} names no bucket; a path in Google Cloud Storage reads gs://BUCKET/NAME")
    return bucket, name


def _blob(path: str | Path, chunk_size: int | None = None) -> Any:
    bucket, name = _split(path)
    if not name or name.endswith("/"):
        raise GlrError(f"{path} names no file; a path to a file reads gs://BUCKET/NAME")
    return _client().bucket(bucket).blob(name, chunk_size=chunk_size)


def _info(blob: Any) -> FileInfo:
    return FileInfo(blob.size, base64.b64decode(blob.crc32c).hex())


def _client() -> Any:
    with _client_lock:
        return _client_of(os.getpid())  # a forked process cannot share its parent's connections


@lru_cache(maxsize=1)
def _client_of(process: int) -> Any:  # noqa: ARG001
    from google.cloud.storage import Client
    from requests.adapters import HTTPAdapter

    client = Client(project=None)
    try:
        session = client._http  # pyright: ignore[reportPrivateUsage]
    except AttributeError as error:
        raise GlrError(f"glr needs google-cloud-storage 3: {error}") from error
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
    return client


def _retry(on_error: Callable[[Exception], object] | None = None) -> Callable[..., object]:
    """The retry policy of requests; `on_error` is called with each failure."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return partial(DEFAULT_RETRY.with_timeout(_PATIENCE), on_error=on_error)


def _without_bucket(error: Exception) -> bool:
    return "bucket does not exist" in str(error)


@contextmanager
def _explained(path: str | Path, role: str = _READER) -> Iterator[None]:
    """Turn an error of Google's library about a path into a GlrError; `role` is the role that the operation needs."""
    bucket = f"gs://{_split(path)[0]}"
    from google.api_core import exceptions as api
    from google.auth.exceptions import GoogleAuthError, TransportError
    from requests import ConnectionError as NoConnection
    from requests import RequestException, Timeout

    try:
        yield
    except (TransportError, NoConnection, Timeout) as error:
        raise UnreachableError(f"{path}: Google cannot be reached ({first_line(error)}); try again later") from error
    except (GoogleAuthError, api.Unauthorized) as error:
        raise CredentialsError(
            f"{path}: no credentials for Google Cloud Storage; run gcloud auth application-default login, "
            "or set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file"
        ) from error
    except api.Forbidden as error:
        raise GlrError(f"{path}: permission denied; give this account the role {role} on {bucket}") from error
    except api.NotFound as error:
        if _without_bucket(error):
            raise GlrError(f"{path}: there is no bucket {bucket}; create it, or correct the path") from error
        raise ReplacedError(f"{path} was deleted by someone else just now; start again") from error
    except api.PreconditionFailed as error:
        raise ReplacedError(f"{path} was changed by someone else just now; start again") from error
    except api.RetryError as error:
        seconds, reason = f"{_PATIENCE:.0f} seconds", first_line(error.cause or error)
        raise UnreachableError(
            f"{path}: Google Cloud Storage failed for {seconds} ({reason}); try again later"
        ) from error
    except (api.GoogleAPICallError, RequestException) as error:
        raise GlrError(f"{path}: Google Cloud Storage refused the request ({first_line(error)})") from error
