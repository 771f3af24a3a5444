"""The kept index of a folder of photos by a model; a damaged one is built again."""

import re
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from glr.config.printing import say
from glr.retrieval import index_files
from glr.retrieval.index import Index
from glr.retrieval.index_files import Settings
from glr.retrieval.rows import DamagedIndexError

if TYPE_CHECKING:
    from glr.retrieval.trained import TrainedModel


def kept(model: "TrainedModel", folder: str, cache: Path, *, dtype: str) -> Index:
    """Open the kept index of a folder's photos, or begin it.

    Args:
        model: describes the photos.
        folder: the photos, local or gs://.
        cache: the folder of kept indexes.
        dtype: the stored type of descriptors.

    Raises:
        GlrError: the kept index cannot be read or begun.
    """
    path = _path(cache, Settings.of(model, folder, dtype))
    try:
        return Index.open_or_begin(model, folder, path, dtype=dtype)
    except DamagedIndexError as error:
        if aside := index_files.set_aside(path):
            say(f"{error}: it is now {aside}, and its photos are described again", file=sys.stderr)
        return Index.open_or_begin(model, folder, path, dtype=dtype)


def _path(cache: Path, settings: Settings) -> Path:
    """Find an index by the digest of its settings, or name it by folder, model and digest; a model may be renamed."""
    words = [PurePosixPath(settings.folder).name, settings.model]
    name = "-".join([*(re.sub(r"[^\w.-]+", "_", word)[:60] for word in words), settings.digest])
    return min(cache.glob(f"*-{settings.digest}"), default=cache / name)
