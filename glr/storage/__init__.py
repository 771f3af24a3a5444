"""Storage: files by path, local or in Google Cloud Storage, and locks between processes."""

from glr.storage.bucket import CredentialsError, FileInfo, ReplacedError, UnreachableError
from glr.storage.paths import (
    check_writable,
    checksum,
    delete,
    exists,
    files,
    is_bucket,
    join,
    normalized,
    read,
    write,
)
from glr.storage.transfer import download, on_disk, upload

__all__ = [
    "CredentialsError",
    "FileInfo",
    "ReplacedError",
    "UnreachableError",
    "check_writable",
    "checksum",
    "delete",
    "download",
    "exists",
    "files",
    "is_bucket",
    "join",
    "normalized",
    "on_disk",
    "read",
    "upload",
    "write",
]
