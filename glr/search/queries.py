"""The files of the queries that a command line names."""

import sys
from collections.abc import Sequence
from pathlib import Path

from glr import storage
from glr.config.printing import counted, say
from glr.data.image_folder import stamps
from glr.data.photo import is_image, jpeg, read_image
from glr.errors import GlrError


def query_files(given: str | Sequence[str], *, skip: bool) -> list[str]:
    """Return the query images, decoded once to be sure of them, before a model is loaded.

    Args:
        given: images or folders of images, local or gs://, or a list of them.
        skip: leave out images that cannot be decoded.

    Raises:
        GlrError: a file or folder is missing or holds no images, or an image cannot be decoded.
    """
    problems: dict[str, str] = {}
    named = [given] if isinstance(given, str) else given
    files = [file for path in named for file in _files(str(path), problems if skip else None)]
    for file in files:
        try:
            jpeg(read_image(file))
        except GlrError as error:
            problems[file] = str(error)
    if problems and (not skip or problems.keys() >= set(files)):
        (file, reason), *others = problems.items()
        more = f" ({counted(len(others), 'other query', 'other queries')} cannot be decoded either)" if others else ""
        raise GlrError(f"queries: {file}: {reason}{more}; correct the path or leave such files out (on_bad_image=skip)")
    for file, reason in problems.items():
        say(f"left out the query {file}: {reason}", file=sys.stderr)
    return [file for file in files if file not in problems]


def _files(path: str, problems: dict[str, str] | None) -> list[str]:
    """Return the file, or the images of the folder; `problems` receives images whose name cannot be used."""
    if is_image(path) or (not storage.is_bucket(path) and Path(path).is_file()):
        return [path]
    if not storage.is_bucket(path) and not Path(path).is_dir():
        raise GlrError(f"queries: {path}: there is no such file or folder; correct the path")
    unnamed: dict[str, str] = {}
    files = [storage.join(path, file) for file in stamps(path, None if problems is None else unnamed)]
    if not files:
        raise GlrError(f"queries={path}: it holds no images")
    if problems is not None:
        problems |= {storage.join(path, file): reason for file, reason in unnamed.items()}
    return files
