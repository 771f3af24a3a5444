"""Images as users give them to an index: queries, an image or several, or descriptors; and images to add, with ids."""

from collections import Counter
from collections.abc import Iterable
from numbers import Integral
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from glr.config.printing import printable
from glr.data.image_id import check_image_id
from glr.data.pictures import Image, is_single
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


class Added(NamedTuple):
    """Images to add: the images, their ids, and id -> file of those that are files."""

    images: list[Any]
    ids: list[str]
    files: dict[str, str]


def check_count(k: object) -> None:
    """Refuse a number of results that is not a positive integer.

    Raises:
        GlrError: it is not.
    """
    if not isinstance(k, Integral) or k < 1:
        raise GlrError(f"k={k}: expected a whole number, at least 1")


def queries_of(given: Any) -> Queries:
    """Distinguish one image, several images, and descriptors, which are arrays of floats, [D] or [Q, D].

    Raises:
        GlrError: it is none of these.
    """
    if isinstance(given, np.ndarray) and given.dtype.kind == "f":
        vectors = np.atleast_2d(given)
        return Queries(given.ndim == 1, [f"query {n}" for n in range(len(vectors))], [None] * len(vectors), vectors)
    single = is_single(given)
    images = [given] if single else _listed("queries", given)
    names = [str(image) if isinstance(image, str | PurePath) else f"query {n}" for n, image in enumerate(images)]
    return Queries(single, names, images, None)


def added(images: Iterable[Image] | np.ndarray, ids: Iterable[str] | None) -> Added:
    """Return new images with their ids: the given ones, or the files' paths.

    Raises:
        GlrError: there is one image, not several; ids are missing, or one is not one line of text.
    """
    if is_single(images):
        raise GlrError("images: expected several images; put a single image into a list")
    several = _listed("images", images)
    files = [str(image) if isinstance(image, str | PurePath) else "" for image in several]
    if ids is None and not all(files):
        raise GlrError("give ids=[...] for images that are no files")
    names = files if ids is None else [str(name) for name in ids]
    if len(names) != len(several):
        raise GlrError(f"{len(several)} images have {len(names)} ids; give one for each")
    for name in names:
        check_image_id(name, name)
    return Added(several, names, {name: file for name, file in zip(names, files, strict=True) if file})


def check_new(ids: Iterable[str], taken: Iterable[str]) -> None:
    """Refuse new ids that are taken or appear twice.

    Raises:
        GlrError: one is; the message names it.
    """
    if twice := [name for name, count in Counter([*taken, *ids]).items() if count > 1]:
        raise GlrError(printable(f"add: the id {twice[0]} appears twice; give others in ids=[...]"))


def _listed(name: str, given: Any) -> list[Any]:
    if not isinstance(given, Iterable):
        raise GlrError(f"{name} is a {type(given).__name__}; expected images")
    return list(given)
