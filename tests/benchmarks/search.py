"""Exact search: 1,000 queries in 200,000 descriptors, against faiss and the bare matrix product, and a growing index.

python tests/benchmarks/search.py [large]     large: also 10,000 queries in 761,757 descriptors, and its peak memory
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from glr.retrieval.neighbors import top_k

K = 100


def best_of(runs: int, call: Callable[[], object]) -> float:
    """Return the least seconds of several runs, after a warm-up."""
    call()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def descriptors(file: Path, count: int) -> np.ndarray:
    """Return random descriptors of 512 dimensions, memory-mapped as stored ones are."""
    rng = np.random.default_rng(count)
    stored = np.lib.format.open_memmap(file, "w+", np.float32, (count, 512))
    for start in range(0, count, 100_000):
        part = rng.standard_normal((min(100_000, count - start), 512), dtype=np.float32)
        stored[start : start + 100_000] = part / np.linalg.norm(part, axis=1, keepdims=True)
    del stored
    return np.load(file, mmap_mode="c")


def beside_faiss(folder: Path) -> None:
    """Compare time and neighbours with faiss, and print the matrix product's share of the time."""
    import faiss

    queries, index = descriptors(folder / "q.npy", 1_000), descriptors(folder / "i.npy", 200_000)
    padded = tf.constant(np.pad(queries, ((0, 24), (0, 0))))
    whole = tf.experimental.dlpack.from_dlpack(index.__dlpack__())
    product = tf.function(lambda: tf.matmul(padded, whole, transpose_b=True)[0, 0])
    flat = faiss.IndexFlatIP(512)
    flat.add(index)
    bare, ours = best_of(5, product), best_of(5, lambda: top_k(queries, index, K))
    theirs = best_of(3, lambda: flat.search(queries, K))
    print(
        f"1,000 x 200,000 x 512, top {K}: faiss.IndexFlatIP {theirs:.2f} s, top_k {ours:.2f} s ({theirs / ours:.1f}x)"
    )
    print(f"the bare matrix product {bare:.2f} s: {bare / ours:.0%} of top_k")
    scores, positions = top_k(queries, index, K)
    their_scores, their_positions = flat.search(queries, K)
    differ = positions != their_positions
    exact = np.einsum("qd,qkd->qk", queries, index[positions], dtype=np.float64)
    swapped = np.abs(scores - their_scores)[differ].max(initial=0)
    sets = sum(set(a) == set(b) for a, b in zip(positions.tolist(), their_positions.tolist(), strict=True))
    print(f"queries with the same {K} neighbours: {sets:,}; places where the order differs: {differ.sum()}", end=" ")
    print(f"(scores there differ by {swapped:.0e} at most)")
    print(f"largest difference of a score from float64: {abs(scores - exact).max():.0e}")


def growing(folder: Path) -> None:
    """Print the time per query and row of the index."""
    for count in (50_000, 100_000, 200_000, 400_000):
        queries, index = descriptors(folder / "q.npy", 1_000), descriptors(folder / "i.npy", count)
        seconds = best_of(3, lambda: top_k(queries, index, K))  # noqa: B023
        print(f"index of {count:,}: {seconds:.2f} s, {seconds / count * 1e6:.2f} ns per query and row")


def large(folder: Path) -> None:
    """Search an index of GLDv2's size in a process of its own; the peak memory includes the whole mapped index."""
    queries, index = (np.load(folder / name, mmap_mode="c") for name in ("q.npy", "i.npy"))
    began = time.perf_counter()
    top_k(queries, index, K)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"10,000 x 761,757 x 512: {seconds:.1f} s; peak memory {peak:.2f} GB, TensorFlow's and ", end="")
    print(f"the index's own {index.nbytes / 1e9:.2f} GB included")


if __name__ == "__main__":
    if sys.argv[1:2] == ["_large"]:
        large(Path(sys.argv[2]))
        sys.exit()
    with tempfile.TemporaryDirectory() as temporary:
        if sys.argv[1:] == ["large"]:
            descriptors(Path(temporary, "q.npy"), 10_000)
            descriptors(Path(temporary, "i.npy"), 761_757)
            subprocess.run([sys.executable, __file__, "_large", temporary], check=True)
        else:
            beside_faiss(Path(temporary))
            growing(Path(temporary))
