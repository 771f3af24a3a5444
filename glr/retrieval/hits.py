"""The hits of a search: ids, scores and files of the nearest images, as lists, a table, and pictures for a notebook."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, TypeVar, overload

import simplejpeg

from glr.config.printing import printable
from glr.data.photo import jpeg, read_image
from glr.data.pictures import GivenPictures, Image, picture
from glr.errors import GlrError
from glr.html.template import template
from glr.html.thumbnail import Thumbnail, parts, thumbnail

if TYPE_CHECKING:
    import pandas as pd

_SIDE = 256  # pixels of a thumbnail's long side; a JPEG is decoded at little more
_SHOWN = 20  # queries that a notebook shows

Item = TypeVar("Item")


class Hit(NamedTuple):
    """An image: its id, its similarity to the query, and its file (empty: it is unknown)."""

    id: str
    score: float
    path: str


class _List(Sequence[Item]):
    """A sequence that is read like a list, but cannot be changed."""

    def __init__(self, items: Iterable[Item]):
        self._items = list(items)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        return self._items[place]

    def __len__(self) -> int:
        return len(self._items)


class Hits(_List[Hit]):
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
        super().__init__(hits)
        self.query, self.picture = query, picture

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

    def __repr__(self) -> str:
        lines = [f"{rank:4}  {hit.score:.4f}  {hit.id}" for rank, hit in enumerate(self, 1)]
        return printable("\n".join([self.query, *lines]))

    def _repr_html_(self) -> str:
        return Results([self]).html()


class Results(_List[Hits]):
    """The hits of several queries, in the order of the queries."""

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

    def __repr__(self) -> str:
        return "\n".join(map(repr, self))

    def _repr_html_(self) -> str:
        return self.html()


def _small(image: Image | None) -> Thumbnail | None:
    """Return an image as a thumbnail; None if there is none, or its file can no longer be read."""
    if image is None:
        return None
    try:
        if isinstance(image, str | PurePath):  # decoded at little more than the thumbnail's size
            return thumbnail(simplejpeg.decode_jpeg(jpeg(read_image(str(image)), max_side=_SIDE).encoded))
        return thumbnail(picture(GivenPictures([image]), 0).pixels)
    except (GlrError, ValueError):
        return None
