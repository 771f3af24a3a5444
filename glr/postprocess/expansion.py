"""Expansion: move each descriptor, of a query or of the index itself, towards its nearest index images."""

from collections.abc import Iterator

import numpy as np

from glr.retrieval.neighbors import top_k

_ROWS = 2_048  # descriptors expanded at once


class Unexpanded:
    """No expansion: descriptors stay as they are."""

    neighbors = 0


class AlphaExpansion:
    """q' = q + Σ max(sᵢ, 0)^α xᵢ over the nearest index images xᵢ with similarities sᵢ, scaled to length 1.

    On queries: alpha query expansion (Radenović et al., Fine-tuning CNN image retrieval with no human annotation, TPAMI
    2018, arXiv:1711.02512, section 5.1; α = 0 is the average of Chum et al., Total recall, ICCV 2007). On the index's
    own images: database augmentation (Turcot and Lowe, Better matching with fewer features, ICCV workshops 2009;
    weighted as in Gordo et al., End-to-end learning of deep visual representations for image retrieval, IJCV 2017).

    Args:
        neighbors: nearest images that are added.
        alpha: exponent of the similarities; the larger, the more the nearest images dominate.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(self, *, neighbors: int, alpha: float):
        if neighbors < 1:
            raise ValueError(f"neighbors={neighbors}: expected at least 1")
        if alpha < 0:
            raise ValueError(f"alpha={alpha}: expected at least 0")
        self.neighbors = neighbors
        self.alpha = alpha

    def queries(self, queries: np.ndarray, index: np.ndarray, *, memory: float) -> Iterator[np.ndarray]:
        """Yield the expanded queries, float32 [., D], in order.

        Args:
            queries: [Q, D].
            index: [N, D]; if it holds fewer than `neighbors`, all are used.
            memory: GB for the search.
        """
        yield from self._expanded(queries, index, *top_k(queries, index, self.neighbors, memory=memory))

    def index(self, index: np.ndarray, *, memory: float) -> Iterator[np.ndarray]:
        """Yield the index's own descriptors, float32 [., D], each moved towards its neighbours in the index."""
        scores, positions = top_k(index, index, self.neighbors + 1, memory=memory)
        # An image is its own neighbour, usually the first: drop it. If duplicates have displaced it, drop the last one.
        own = positions == np.arange(len(index))[:, np.newaxis]
        own[~own.any(1), -1] = True
        shape = len(index), positions.shape[1] - 1
        yield from self._expanded(index, index, scores[~own].reshape(shape), positions[~own].reshape(shape))

    def _expanded(
        self, descriptors: np.ndarray, index: np.ndarray, scores: np.ndarray, positions: np.ndarray
    ) -> Iterator[np.ndarray]:
        weights = np.maximum(scores, 0) ** np.float32(self.alpha)
        for start in range(0, len(descriptors), _ROWS):
            part = slice(start, start + _ROWS)
            total = descriptors[part].astype(np.float32)
            for weight, position in zip(weights[part].T, positions[part].T, strict=True):
                total += weight[:, np.newaxis] * index[position]
            lengths = np.linalg.norm(total, axis=1, keepdims=True)
            yield total / np.maximum(lengths, np.finfo(np.float32).tiny)
