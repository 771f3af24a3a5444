"""Re-ranking by k-reciprocal neighbours: images that are among each other's nearest belong together.

Source: Zhong et al., Re-ranking person re-identification with k-reciprocal encoding, CVPR 2017, arXiv:1701.08398.
"""

import numpy as np
from scipy.sparse import csr_array

from glr.retrieval.neighbors import top_k

_ROWS = 512  # images encoded at once


class Unranked:
    """No re-ranking: the ranking stays as it is."""

    depth = 0

    def __call__(
        self,
        queries: np.ndarray,  # noqa: ARG002
        index: np.ndarray,  # noqa: ARG002
        scores: np.ndarray,
        positions: np.ndarray,
        memory: float,  # noqa: ARG002
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and positions unchanged."""
        return scores, positions


class KReciprocal:
    """Orders the first `depth` results by a weighted mean of the original and the neighbourhoods' Jaccard distance.

    Distances are squared Euclidean, divided by the query's largest. The paper re-ranks the whole index; here only the
    first `depth` results are re-ranked. The result equals the paper's if `depth` is the size of the index.
    Neighbourhoods span all queries and index images, which needs a search for the neighbours of every image.

    Args:
        k1: nearest images that may be reciprocal (R*(p, k1), equations 3 to 5).
        k2: nearest images whose encodings are averaged (local query expansion, equation 11).
        weight: the original distance's weight in the final distance, λ of equation 12.
        depth: results of each query that are re-ranked.

    Raises:
        ValueError: a setting is out of its range.
    """

    def __init__(self, *, k1: int, k2: int, weight: float, depth: int):
        for name, value in (("k1", k1), ("k2", k2), ("depth", depth)):
            if value < 1:
                raise ValueError(f"{name}={value}: expected at least 1")
        if k2 > k1 + 1:
            raise ValueError(f"k2={k2}: expected at most k1 + 1, {k1 + 1}")
        if not 0 <= weight <= 1:
            raise ValueError(f"weight={weight}: expected 0 to 1")
        self.k1 = k1
        self.k2 = k2
        self.weight = weight
        self.depth = depth

    def __call__(
        self, queries: np.ndarray, index: np.ndarray, scores: np.ndarray, positions: np.ndarray, memory: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Re-rank the first results of each query.

        Args:
            queries: [Q, D], of length 1.
            index: [N, D], of length 1.
            scores, positions: the first ranking, [Q, k].
            memory: GB for the search.

        Returns:
            Scores float32 [Q, k], descending, 1 minus the final distance (beyond `depth`, the similarity minus 2), and
            positions int64 [Q, k].
        """
        depth = min(self.depth, positions.shape[1])
        first = positions[:, :depth]
        both = np.concatenate([queries.astype(np.float32), index.astype(np.float32)])
        neighbours = top_k(both, both, self.k1 + 1, memory=memory)[1]
        # d² = 2 - 2 s: the largest distance is that of the smallest similarity.
        farthest = 2 + 2 * top_k(-both, both, 1, memory=memory)[0][:, 0]
        candidates = first + len(queries)
        wanted = np.unique(np.concatenate([np.arange(len(queries)), candidates.ravel()]))
        encoded = self._encoded(both, neighbours, farthest, wanted)
        place = np.searchsorted(wanted, candidates)
        distances = (2 - 2 * scores[:, :depth]) / farthest[: len(queries), np.newaxis]
        ranked, order = scores.astype(np.float32) - 2, positions.copy()
        own = np.zeros(len(both), np.float32)
        for query, row in enumerate(place):
            # The queries are the first rows of `encoded`, so a query's number is its row.
            mine = slice(encoded.indptr[query], encoded.indptr[query + 1])
            own[encoded.indices[mine]] = encoded.data[mine]
            others = encoded[row]
            shared = np.minimum(others.data, own[others.indices])
            overlap = np.add.reduceat(np.append(shared, 0), others.indptr[:-1])
            own[encoded.indices[mine]] = 0
            final = (1 - self.weight) * (1 - overlap / (2 - overlap)) + self.weight * distances[query]
            new = np.argsort(final, kind="stable")
            ranked[query, :depth] = 1 - final[new]
            order[query, :depth] = first[query, new]
        return ranked, order

    def _encoded(
        self, descriptors: np.ndarray, neighbours: np.ndarray, farthest: np.ndarray, wanted: np.ndarray
    ) -> csr_array:
        """Return the encodings of the wanted images, each averaged over its k2 nearest images: [wanted, all]."""
        near = neighbours[wanted, : self.k2]
        needed = np.unique(near)
        parts = [
            self._encodings(descriptors, neighbours, farthest, needed[start : start + _ROWS])
            for start in range(0, len(needed), _ROWS)
        ]
        rows, columns, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        plain = csr_array((values, (np.searchsorted(needed, rows), columns)), (len(needed), len(descriptors)))
        starts = np.arange(len(wanted) + 1) * near.shape[1]
        share = np.full(near.size, 1 / near.shape[1], np.float32)
        means = csr_array((share, np.searchsorted(needed, near.ravel()), starts), (len(wanted), len(needed)))
        return means @ plain

    def _encodings(
        self, descriptors: np.ndarray, neighbours: np.ndarray, farthest: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The encoding of each image as (row, column, value): e^-d over its reciprocal neighbours, scaled to sum 1."""
        half = round(self.k1 / 2) + 1  # rounds half to even, as NumPy's around
        near = neighbours[rows]
        mutual = _reciprocal(neighbours, rows, near)
        beyond = neighbours[near][:, :, :half]  # the neighbours of each neighbour: [b, k1 + 1, half]
        ranks = range(near.shape[1])
        theirs = np.stack([_reciprocal(neighbours[:, :half], near[:, n], beyond[:, n]) for n in ranks], axis=1)
        # A neighbour's neighbourhood is added if more than two thirds of it are included already.
        inside = np.zeros_like(theirs)
        for n in ranks:
            inside |= (beyond == near[:, n, np.newaxis, np.newaxis]) & mutual[:, n, np.newaxis, np.newaxis]
        joins = (inside & theirs).sum(2) > 2 / 3 * theirs.sum(2)
        taken = theirs & (joins & mutual)[:, :, np.newaxis]
        owner = np.concatenate([np.nonzero(mutual)[0], np.nonzero(taken)[0]])
        member = np.concatenate([near[mutual], beyond[taken]])
        pairs = np.unique(np.stack([owner, member], 1), axis=0)
        owner, member = pairs[:, 0], pairs[:, 1]
        similarities = np.einsum("pd,pd->p", descriptors[rows[owner]], descriptors[member])
        weights = np.exp(-(2 - 2 * similarities) / farthest[rows[owner]])
        return rows[owner], member, weights / np.bincount(owner, weights, len(rows))[owner].astype(np.float32)


def _reciprocal(neighbours: np.ndarray, rows: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return bool [b, k], like `near`: True if an image is among the neighbours of its neighbour."""
    return (neighbours[near] == rows[:, np.newaxis, np.newaxis]).any(2)
