"""The files of the queries that a command line names."""

import sys
from collections.abc import Sequence

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
    files = [file for path in ([given] if isinstance(given, str) else given) for file in _files(str(path))]
    problems: dict[str, str] = {}
    for file in files:
        try:
            jpeg(read_image(file))
        except GlrError as error:
            problems[file] = str(error)
    if problems and (not skip or len(problems) == len(files)):
        (file, reason), *others = problems.items()
        more = f" ({counted(len(others), 'other query', 'other queries')} cannot be decoded either)" if others else ""
        raise GlrError(f"queries: {file}: {reason}{more}; correct the path or leave such files out (on_bad_image=skip)")
    for file, reason in problems.items():
        say(f"left out the query {file}: {reason}", file=sys.stderr)
    return [file for file in files if file not in problems]


def _files(path: str) -> list[str]:
    if is_image(path):
        return [path]
    files = [storage.join(path, file) for file in stamps(path)]
    if not files:
        raise GlrError(f"queries={path}: it holds no images")
    return files
