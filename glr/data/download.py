"""Download files over HTTP: a broken connection continues where it broke, and checksums are verified."""

import hashlib
import re
import threading
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from glr.errors import GlrError
from glr.storage.paths import PART, explained

_TRIES = 5  # failures in a row, without any progress
_PAUSE = 1.0  # seconds before another try; doubled before each further one
_TIMEOUT = (30, 60)  # seconds to connect, and without a byte
_CHUNK = 2**16  # bytes in memory; at most these are lost when a connection breaks
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
# Count the bytes of the file itself: a server's compression would shift the bytes that a second request continues at.
_PLAIN = {"Accept-Encoding": "identity"}


class StoppedError(Exception):
    """The caller has stopped the download."""


def fetch(url: str, file: Path, *, md5: str | None = None, stop: threading.Event | None = None) -> None:
    """Download a file; it appears under its name when it is complete.

    The received part is kept as `<name>.part`. If the checksum is known, the next call continues with it; otherwise
    the next call begins again, because the file may have changed on the server.

    Args:
        url: http:// or https://.
        file: the new file; its folder exists.
        md5: its checksum, hexadecimal; None: unknown.
        stop: set by another thread to stop the download.

    Raises:
        GlrError: the server does not have or does not deliver the file, its checksum is wrong twice, or the disk is
            full.
        StoppedError: `stop` was set.
    """
    part = file.with_name(f"{file.name}{PART}")
    with explained(part):
        if md5 is None:
            part.unlink(missing_ok=True)
        elif file.exists():  # its use was interrupted; nothing is left to receive
            file.replace(part)
        for _ in range(2):
            _receive(url, part, stop or threading.Event())
            if md5 is None or _md5(part) == md5:
                part.replace(file)
                return
            part.unlink()  # the part is of another version, or was damaged on its way: begin again
    raise GlrError(f"{url} arrives damaged (wrong MD5), twice; try again later, or give another download_url")


def md5_of(url: str) -> str:
    """Download a checksum file, as md5sum writes it, and return its checksum.

    Raises:
        GlrError: the server does not deliver the file, or it holds no checksum.
    """
    text = _response(url, {}).text
    if not (match := re.match(r"\s*([0-9a-fA-F]{32})\b", text)):
        raise GlrError(f"{url} holds no MD5 checksum")
    return match[1].lower()


def _receive(url: str, part: Path, stop: threading.Event) -> None:
    """Append to a part until the server has no more."""
    failures = 0
    while True:
        done = part.stat().st_size if part.exists() else 0
        try:
            with _response(url, {"Range": f"bytes={done}-"} if done else {}, stream=True) as response:
                if response.status_code == requests.codes.requested_range_not_satisfiable:
                    return  # nothing is left; the checksum tells whether the part is right
                # A server that does not know ranges sends the whole file.
                with part.open("ab" if response.status_code == requests.codes.partial_content else "wb") as file:
                    for chunk in response.iter_content(_CHUNK):
                        if stop.is_set():
                            raise StoppedError
                        file.write(chunk)
            return
        except requests.RequestException as error:
            received = part.stat().st_size if part.exists() else 0
            failures = 1 if received > done else failures + 1
            if failures == _TRIES:
                raise GlrError(f"{url}: {_reason(error)}; the received part is kept, try again later") from error
            if stop.wait(_PAUSE * 2 ** (failures - 1)):
                raise StoppedError from error


def _response(url: str, headers: dict[str, str], **settings: Any) -> requests.Response:
    """Request a file; a busy or silent server is asked again.

    Raises:
        GlrError: the server refuses or stays silent.
    """
    session = requests.Session()
    retry = Retry(_TRIES, backoff_factor=_PAUSE, status_forcelist=_TRANSIENT, raise_on_status=False)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    try:
        response = session.get(url, headers=_PLAIN | headers, timeout=_TIMEOUT, **settings)
    except requests.RequestException as error:
        raise GlrError(f"{url}: {_reason(error)}; try again later") from error
    nothing_left = response.status_code == requests.codes.requested_range_not_satisfiable and "Range" in headers
    if response.ok or nothing_left:
        return response
    response.close()
    raise GlrError(f"{url}: the server answers {response.status_code} {response.reason}; check download_url")


def _reason(error: Exception) -> str:
    """The innermost reason of a failed connection."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
