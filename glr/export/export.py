"""The result of an export."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Export:
    """The written files, and the check of the written model.

    Attributes:
        output: the folder.
        dimension: the descriptor's dimension.
        megabytes: size of submission.zip, 10^6 bytes.
        images: number of images on which the model's descriptors were compared with the reference.
        reference: the source of the reference descriptors.
        difference: largest absolute difference between elements of descriptors; None: not compared.
    """

    output: str
    dimension: int
    megabytes: float
    images: int
    reference: str
    difference: float | None
