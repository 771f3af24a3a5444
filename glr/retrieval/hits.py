"""The hits of a search: ids, scores and files of the nearest images, as lists, a table, and pictures for a notebook."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
import PIL.Image
import simplejpeg

from glr.config.printing import printable
from glr.data.photo import jpeg, pixels_of, read_image
from glr.data.pictures import Image
from glr.errors import GlrError
from glr.html.template import template
from glr.html.thumbnail import Thumbnail, parts, thumbnail

if TYPE_CHECKING:
    import pandas as pd

_SIDE = 256  # pixels of a thumbnail's long side; a JPEG is decoded at little more
_SHOWN = 20  # queries that a notebook shows


class Hit(NamedTuple):
    """An image: its id, its similarity to the query, and its file (empty: it is unknown)."""

    id: str
    score: float
    path: str


class Hits(Sequence[Hit]):
    """The hits of one query, the most similar first.

    Args:
        query: its name.
        picture: the query itself; None: a descriptor.
        hits: its hits.

    Attributes:
        query: its name: a file's path, or its place among the queries.
        picture: the query itself, or None.
    """

    def __init__(self, query: str, picture: Image | None, hits: Iterable[Hit]):
        self.query, self.picture, self._hits = query, picture, list(hits)

    @property
    def ids(self) -> list[str]:
        """The ids of the images."""
        return [hit.id for hit in self]

    @property
    def scores(self) -> list[float]:
        """Their similarities to the query: inner products of descriptors, at most 1."""
        return [hit.score for hit in self]

    @property
    def paths(self) -> list[str]:
        """Their files."""
        return [hit.path for hit in self]

    @property
    def table(self) -> "pd.DataFrame":
        """A row for each hit: query, rank, id, score, path."""
        return Results([self]).table

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> list[Hit]: ...
    def __getitem__(self, place: int | slice) -> Hit | list[Hit]:
        return self._hits[place]

    def __len__(self) -> int:
        return len(self._hits)

    def __repr__(self) -> str:
        lines = [f"{rank:4}  {hit.score:.4f}  {hit.id}" for rank, hit in enumerate(self, 1)]
        return printable("\n".join([self.query, *lines]))

    def _repr_html_(self) -> str:
        return Results([self]).html()


class Results(Sequence[Hits]):
    """The hits of several queries, in the order of the queries."""

    def __init__(self, hits: Iterable[Hits]):
        self._hits = list(hits)

    @property
    def table(self) -> "pd.DataFrame":
        """A row for each hit: query, rank (from 1), id, score, path."""
        import pandas as pd

        rows = [(hits.query, rank, *hit) for hits in self for rank, hit in enumerate(hits, 1)]
        return pd.DataFrame(rows, columns=["query", "rank", *Hit._fields])

    def html(self, shown: int = _SHOWN) -> str:
        """Draw the first queries with their hits, as a part of a page: one text, with its images inside."""
        return template(__file__).render(
            queries=[(hits, _small(hits.picture), [(hit, _small(hit.path)) for hit in hits]) for hits in self[:shown]],
            others=max(len(self) - shown, 0),
            parts=parts,
        )

    @overload
    def __getitem__(self, place: int) -> Hits: ...
    @overload
    def __getitem__(self, place: slice) -> list[Hits]: ...
    def __getitem__(self, place: int | slice) -> Hits | list[Hits]:
        return self._hits[place]

    def __len__(self) -> int:
        return len(self._hits)

    def __iter__(self) -> Iterator[Hits]:
        return iter(self._hits)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        return self.html()


def _small(picture: Image | None) -> Thumbnail | None:
    """Return an image as a thumbnail; None if there is none, or its file can no longer be read."""
    if picture is None:
        return None
    if isinstance(picture, PIL.Image.Image):
        return thumbnail(pixels_of(picture))
    if isinstance(picture, np.ndarray):
        return thumbnail(picture if picture.ndim == 3 else np.repeat(picture[:, :, np.newaxis], 3, axis=2))
    assert isinstance(picture, str | PurePath)
    try:
        return thumbnail(simplejpeg.decode_jpeg(jpeg(read_image(str(picture)), max_side=_SIDE).encoded))
    except (GlrError, ValueError):
        return None
