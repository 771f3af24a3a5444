"""PCA whitening: rotate and scale descriptors so that the train set's components are uncorrelated.

Source: Jégou and Chum, Negative evidences and co-occurrences in image retrieval: the benefit of PCA and whitening, ECCV
2012, section 4.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from glr.errors import GlrError

_ROWS = 65_536  # descriptors processed at once


@dataclass(frozen=True)
class Projection:
    """Maps descriptors x [n, D] to (x - mean) axes, scaled to length 1: float32 [n, d].

    Attributes:
        mean: float32 [D].
        axes: float32 [D, d].
    """

    mean: np.ndarray
    axes: np.ndarray

    @property
    def dimension(self) -> int:
        """The number of dimensions, d."""
        return self.axes.shape[1]

    def __call__(self, descriptors: np.ndarray) -> np.ndarray:
        """Project descriptors."""
        projected = (descriptors.astype(np.float32) - self.mean) @ self.axes
        lengths = np.linalg.norm(projected, axis=1, keepdims=True)
        return projected / np.maximum(lengths, np.finfo(np.float32).tiny)


class Unwhitened:
    """No whitening: descriptors stay as they are."""

    images = 0

    def learn(self, train: Callable[[int], np.ndarray]) -> Projection | None:  # noqa: ARG002
        """Return None: there is nothing to learn."""
        return None


class PCA:
    """PCA whitening.

    Args:
        dimension: number of dimensions to keep, those with the largest variance; None: all.
        epsilon: share of the largest variance that is added to each direction's variance, so that weak ones stay weak.
        images: number of train images to learn from, taken from the start (their order is random); None: all.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(self, *, dimension: int | None, epsilon: float, images: int | None):
        if dimension is not None and dimension < 1:
            raise ValueError(f"dimension={dimension}: expected at least 1, or null")
        if epsilon < 0:
            raise ValueError(f"epsilon={epsilon}: expected at least 0")
        if images is not None and images < 2:
            raise ValueError(f"images={images}: expected at least 2, or null")
        self.dimension = dimension
        self.epsilon = epsilon
        self.images = images

    def learn(self, train: Callable[[int | None], np.ndarray]) -> Projection:
        """Learn the projection.

        Args:
            train: maps a number of images (None: all) to their descriptors [n, D], which may be memory-mapped.

        Raises:
            GlrError: `dimension` exceeds the descriptors' dimensions or their number minus 1, or the descriptors do not
                vary in as many directions as `dimension` asks for, and `epsilon` is too small to damp the others.
        """
        descriptors = train(self.images)
        count, size = descriptors.shape
        dimension = size if self.dimension is None else self.dimension
        if dimension > min(size, count - 1):
            raise GlrError(
                f"whitening.dimension={dimension}: {count} train descriptors of {size} dimensions give "
                f"{min(size, count - 1)} at most"
            )
        total, products = np.zeros(size), np.zeros((size, size))
        for part in _parts(descriptors):
            total += part.sum(0)
        mean = total / count
        for part in _parts(descriptors):
            centred = part - mean
            products += centred.T @ centred
        variances, directions = np.linalg.eigh(products / count)
        variances, directions = variances[::-1][:dimension], directions[:, ::-1][:, :dimension]
        # The sign of a direction is arbitrary: make its largest component positive.
        largest = np.abs(directions).argmax(0)
        directions = directions * np.sign(directions[largest, np.arange(dimension)])
        rounding = size * np.finfo(np.float64).eps * variances[0]  # a smaller variance is a rounding error
        raised = np.maximum(variances, 0) + self.epsilon * variances[0]
        if raised[-1] <= rounding:
            raise GlrError(self._flat(int((variances > rounding).sum()), count, size))
        return Projection(mean.astype(np.float32), (directions / np.sqrt(raised)).astype(np.float32))

    def _flat(self, rank: int, count: int, size: int) -> str:
        """The error of descriptors that vary in fewer directions than are to be kept."""
        if not rank:
            return f"whitening: the {count:,} train descriptors are all the same, so there is nothing to learn from"
        return (
            f"whitening.epsilon={self.epsilon:g}: the {count:,} train descriptors of {size} dimensions vary in {rank} "
            f"directions only; give whitening.dimension={rank}, or an epsilon such as 1e-6"
        )


def _parts(descriptors: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(descriptors), _ROWS):
        yield descriptors[start : start + _ROWS].astype(np.float64)
