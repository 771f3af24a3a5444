"""The claim to a folder of a bucket: an object that the preparing process rewrites as a heartbeat."""

import io
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager

from glr import storage
from glr.config.printing import say
from glr.data.prepared import MANIFEST
from glr.errors import GlrError
from glr.storage import bucket
from glr.storage.bucket import Object

CLAIM = ".preparing"
_BEAT = 10.0  # seconds between heartbeats
_SILENCE = 60.0  # seconds without a heartbeat after which the holder counts as dead


@contextmanager
def claimed(folder: str, known: Container[str] = ()) -> Iterator[Callable[[], None]]:
    """Claim a folder of a bucket; the folder must be empty, or its last holder must have ended without finishing.

    Objects that `known` names may exist. On exit the claim is deleted, or, if the data set is unfinished,
    released so that another process can continue.

    Yields:
        A function that raises GlrError if another process has taken the claim over.

    Raises:
        GlrError: another process holds the claim, or the folder holds objects that no preparation made.
    """
    path = storage.join(folder, CLAIM)
    seen = bucket.look(path)
    names = [name for name in storage.files(folder) if name not in known] if seen is None else []
    if names:
        raise GlrError(f"{folder} holds other objects ({min(names)}); give data.path another folder")
    if seen is not None:
        _wait_for_silence(folder, path, seen)
    claim = _Claim(folder, path, seen)
    try:
        yield claim.verify
    finally:
        claim.end()


class _Claim:
    def __init__(self, folder: str, path: str, seen: Object | None):
        self._folder, self._path, self._seen = folder, path, seen
        since = time.strftime("%Y-%m-%d %H:%M:%S %Z")
        self._holder = f"process {os.getpid()} on {socket.gethostname()}, since {since}"
        self._lost = False
        self._write(self._holder)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def verify(self) -> None:
        if self._lost:
            raise _busy(self._folder, self._path)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        if self._lost:
            return
        try:
            names = set(storage.files(self._folder))
            if (MANIFEST in names or names == {CLAIM}) and self._seen is not None:
                bucket.remove(self._seen)
            else:  # an unfinished data set, which another process can continue
                self._write(None)
        except GlrError as error:
            say(f"could not release the claim to {self._folder}: {error}", file=sys.stderr)

    def _beat(self) -> None:
        warned = False
        while not self._lost and not self._ended.wait(_BEAT):
            try:
                self._write(self._holder)
            except GlrError as error:
                if not warned and not self._lost:
                    say(f"could not renew the claim to {self._folder}: {error}", file=sys.stderr)
                warned = True

    def _write(self, holder: str | None) -> None:
        """Replace the claim; its content differs each time."""
        content = json.dumps({"holder": holder, "beat": secrets.token_hex(8)}).encode()
        info = storage.FileInfo.of(content)
        try:
            bucket.store(self._path, io.BytesIO(content), info, self._seen)
        except storage.ReplacedError as error:
            self._lost = True
            raise _busy(self._folder, self._path) from error
        self._seen = bucket.look(self._path)
        if self._seen is None or self._seen.info != info:
            self._lost = True
            raise _busy(self._folder, self._path)


def _wait_for_silence(folder: str, path: str, seen: Object) -> None:
    """Wait until the holder of a claim is known to be dead.

    Raises:
        GlrError: the holder is alive.
    """
    holder = _holder(path)
    if holder is None:
        return
    say(f"{folder} is claimed by {holder}; checking for {_SILENCE:.0f} seconds whether it is still running")
    end = time.monotonic() + _SILENCE
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(_BEAT / 5, left))
        now = bucket.look(path)
        if now is None or now.generation != seen.generation:
            raise _busy(folder, path)


def _busy(folder: str, path: str) -> GlrError:
    holder = _holder(path) or "which has just ended"
    return GlrError(f"{folder} is being prepared by another process ({holder}); wait for it, then start again")


def _holder(path: str) -> str | None:
    """Return the holder of a claim, or None."""
    try:
        return str(json.loads(storage.read(path))["holder"] or "") or None
    except (GlrError, ValueError, KeyError, TypeError):
        return None
