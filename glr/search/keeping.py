"""The kept index of a folder of photos by a model; a damaged one is built again."""

import re
import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from glr.config.printing import say
from glr.errors import GlrError
from glr.retrieval import index_files
from glr.retrieval.index import Index
from glr.retrieval.index_files import Settings

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
    path = cache / _name(Settings.of(model, folder, dtype))
    try:
        return Index.begun(model, folder, path, dtype=dtype)
    except GlrError as error:
        if not index_files.exists(path):
            raise
        say(f"{error}: its photos are described again", file=sys.stderr)
        shutil.rmtree(path)
        return Index.begun(model, folder, path, dtype=dtype)


def _name(settings: Settings) -> str:
    """Name an index so that people recognise it: by folder, model and a digest of its settings."""
    words = [PurePosixPath(settings.folder).name, settings.model]
    return "-".join([*(re.sub(r"[^\w.-]+", "_", word)[:60] for word in words), settings.digest])
