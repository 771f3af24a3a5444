"""Hold whole classes out of the train images, as index and queries of a retrieval task."""

import random
from dataclasses import dataclass
from itertools import cycle

from glr.config.printing import say
from glr.data.catalog import Catalog
from glr.errors import GlrError


@dataclass(frozen=True)
class HeldOut:
    """The part of a set that is held out.

    Attributes:
        retrieval_classes: share of the classes with several images that is not trained on.
        query_images: share of a held-out class's images that are queries; the others form the index.
        seed: determines the choice of classes and queries.

    Raises:
        ValueError: a share is not between 0 and 1.
    """

    retrieval_classes: float
    query_images: float
    seed: int

    def __post_init__(self) -> None:
        for name in ("retrieval_classes", "query_images"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: a share between 0 and 1")


def hold_out(catalog: Catalog, part: HeldOut, *, where: str, what: str) -> None:
    """Move whole classes of the catalogue's train images to index and queries, and add their solutions.

    A held-out class has at least two images: one in the index, and a query. Queries are Public and Private alternately.

    Args:
        catalog: holds train images only, with ids without blanks.
        part: how much to hold out.
        where: the source, for messages.
        what: the classes, for messages.

    Raises:
        GlrError: there are too few classes or images, or a class's name has a blank.
    """
    counts = catalog.class_sizes()
    if blank := next((name for name in counts if len(name.split()) != 1), None):
        raise GlrError(f"{where}: the class {blank!r} has a blank, which separates values in solutions; rename it")
    several = [name for name, count in counts.items() if count > 1]
    draw = random.Random(part.seed)
    retrieval = set(draw.sample(several, max(1, round(len(several) * part.retrieval_classes)) if several else 0))
    if not retrieval or len(retrieval) > len(counts) - 2:
        catalog.refuse_missing()  # the likely cause
        raise GlrError(
            f"{where}: {len(counts)} {what}, {len(several)} with more than one; retrieval needs one of these, and "
            f"training at least 2 others (data.source.retrieval_classes={part.retrieval_classes})"
        )
    if single := len(counts) - len(several):
        say(f"{single:,} of {len(counts):,} classes have one image only: they are trained on, not retrieved")
    usages = cycle(("Public", "Private"))
    for landmark in counts:
        if landmark not in retrieval:
            continue
        members = catalog.take(landmark)
        draw.shuffle(members)
        count = min(max(1, round(len(members) * part.query_images)), len(members) - 1)
        queries, index = members[:count], members[count:]
        catalog.add("index", index)
        catalog.add("query", queries)
        relevant = " ".join(photo.id for photo in index)
        usage = [next(usages) for _ in queries]
        catalog.answer("retrieval", ((p.id, relevant, u) for p, u in zip(queries, usage, strict=True)))
        catalog.answer("recognition", ((p.id, landmark, u) for p, u in zip(queries, usage, strict=True)))
