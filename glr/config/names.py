"""Turn a name that a user chose (of a run or a study) into a part of a path."""

import re
from pathlib import Path

_LONGEST = 150  # bytes; file systems allow 255


def as_file_name(name: str) -> str:
    """Make a name a single part of a path: keep letters, digits and `._+=,-`; other characters become `_`."""
    return re.sub(r"^\.+|[^\w.+=,-]", "_", name).encode()[:_LONGEST].decode(errors="ignore") or "_"


def base_name(path: str) -> str:
    """Return the last part of a path on a disk or in a bucket: `photos` for `~/photos/`."""
    return path.rstrip("/").rpartition("/")[2] if "://" in path else Path(path).absolute().name
