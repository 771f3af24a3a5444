"""The result of an export."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Export:
    """The files that were written.

    Attributes:
        output: the folder.
        dimension: the descriptor's dimension.
        megabytes: size of submission.zip, 10^6 bytes.
        images: number of images on which its descriptors were compared with the reference.
        reference: the source of the descriptors to compare with.
        difference: largest absolute difference of any number of a descriptor; None: not compared.
    """

    output: str
    dimension: int
    megabytes: float
    images: int
    reference: str
    difference: float | None
