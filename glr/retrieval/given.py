"""Images as users give them to an index: queries, an image or several, or descriptors; and images to add, with ids."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import PIL.Image

from glr.data.image_id import check_image_id
from glr.data.pictures import Image
from glr.errors import GlrError


class Queries(NamedTuple):
    """Queries.

    single: True if one was given, not a list.
    names: the files' paths, or the places of other queries: `query 0`.
    images: the images; None for a descriptor.
    vectors: the descriptors [Q, D], if these were given.
    """

    single: bool
    names: list[str]
    images: list[Any]
    vectors: np.ndarray | None


def queries_of(given: Any) -> Queries:
    """Tell an image from several, and images from descriptors, which are arrays of floats, [D] or [Q, D]."""
    if isinstance(given, np.ndarray) and given.dtype.kind == "f":
        vectors = np.atleast_2d(given)
        return Queries(given.ndim == 1, [f"query {n}" for n in range(len(vectors))], [None] * len(vectors), vectors)
    single = isinstance(given, str | PurePath | PIL.Image.Image) or (isinstance(given, np.ndarray) and given.ndim < 4)
    images: list[Any] = [given] if single else list(given)  # pyright: ignore[reportArgumentType]
    names = [str(image) if isinstance(image, str | PurePath) else f"query {n}" for n, image in enumerate(images)]
    return Queries(single, names, images, None)


def ids_of(images: Sequence[Image] | np.ndarray, ids: Sequence[str] | None) -> list[str]:
    """Return the ids of new images: the given ones, or the files' paths.

    Raises:
        GlrError: ids are missing, or one is not one line of text.
    """
    if ids is None and not all(isinstance(image, str | PurePath) for image in images):
        raise GlrError("give ids=[...] for images that are no files")
    names = [str(name) for name in (images if ids is None else ids)]
    if len(names) != len(images):
        raise GlrError(f"{len(images)} images have {len(names)} ids; give one for each")
    for name in names:
        check_image_id(name, name)
    return names
