"""Time and peak memory of `score` with as many queries as Google Landmarks v2 has, all of them scored.

python tests/benchmarks/score.py [QUERIES]      117,577 with 100 predictions each: 200 MB
"""

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INDEX_IMAGES = 761_757
LANDMARKS = 200_000


def main(queries: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        for task, write in (("recognition", write_recognition), ("retrieval", write_retrieval)):
            files = {name: Path(place, f"{task}_{name}.csv") for name in ("predictions", "solution")}
            write(queries, *files.values())
            size = files["predictions"].stat().st_size / 1e6
            line = [sys.executable, "-m", "glr.score", *(f"{name}={file}" for name, file in files.items())]
            began = time.perf_counter()
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - began
            memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # the larger task comes last
            print(
                f"{task:<12}{queries:>8,} queries, {size:4.0f} MB: {seconds:5.1f} s, {memory:5.0f} MB of memory",
                flush=True,
            )


def write_retrieval(queries: int, predictions: Path, solution: Path) -> None:
    """Write 100 images per query; a query has up to 100 relevant ones, and half of the queries find all of them."""
    rng = random.Random(0)
    index = [f"{rng.getrandbits(64):016x}" for _ in range(INDEX_IMAGES)]
    with predictions.open("w") as predicted, solution.open("w") as right:
        predicted.write("id,images\n")
        right.write("id,images,Usage\n")
        for query in range(queries):
            relevant = rng.choices(index, k=rng.randint(1, 100))
            answer = [image for image in relevant if query % 2] + rng.choices(index, k=100)
            predicted.write(f"{query:016x},{' '.join(answer[:100])}\n")
            right.write(f"{query:016x},{' '.join(relevant)},{'Public' if query % 3 else 'Private'}\n")


def write_recognition(queries: int, predictions: Path, solution: Path) -> None:
    """Write a landmark and its confidence per image; half of the images show that landmark."""
    rng = random.Random(0)
    with predictions.open("w") as predicted, solution.open("w") as right:
        predicted.write("id,landmarks\n")
        right.write("id,landmarks,Usage\n")
        for image in range(queries):
            landmark = rng.randrange(LANDMARKS)
            predicted.write(f"{image:016x},{landmark} {rng.random():.8f}\n")
            right.write(f"{image:016x},{landmark + image % 2},{'Public' if image % 3 else 'Private'}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 117_577)
