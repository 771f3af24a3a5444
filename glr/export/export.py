"""The result of an export."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Export:
    """The files that were written.

    Attributes:
        output: the folder.
        dimension: of the descriptor.
        megabytes: of submission.zip, 10^6 bytes.
        images: count of images that it was tried on.
        reference: where the descriptors come from that its own were compared with.
        difference: largest absolute difference of any of their numbers; None: it was not tried.
    """

    output: str
    dimension: int
    megabytes: float
    images: int
    reference: str
    difference: float | None
