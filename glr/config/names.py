"""Names from elsewhere (of a run, a study) as parts of paths."""

import re

_LONGEST = 150  # bytes, of the 255 that file systems take


def as_file_name(name: str) -> str:
    """A name as a single part of a path: letters, digits and `._+=,-`; other characters become `_`."""
    return re.sub(r"^\.+|[^\w.+=,-]", "_", name).encode()[:_LONGEST].decode(errors="ignore") or "_"
