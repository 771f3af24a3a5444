"""Images per second of `prepare` beside a plain copy of the same files, and its peak memory.

python tests/benchmarks/prepare.py [IMAGES] [FOLDER]      20,000 JPEGs of about 100 kB: 2 GB, three times
"""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.input_pipeline import photo

WAYS = {
    "plain copy, one process": None,
    "check_images=header workers=1": ["check_images=header", "workers=1"],
    "check_images=header workers=2": ["check_images=header", "workers=2"],
    "check_images=decode workers=1": ["workers=1"],
    "check_images=decode workers=2": ["workers=2"],
}


def main(images: int, folder: Path) -> None:
    photos = folder / "photos"
    different = [photo(number) for number in range(64)]
    for number in range(images):
        file = photos / f"{number % 100:02d}" / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(different[number % len(different)])
    print(f"{images:,} JPEGs, {sum(map(len, different)) / len(different) / 1000:.0f} kB each\n")
    print(f"{'':<34}{'seconds':>9}{'images/s':>10}{'of the copy':>13}{'peak memory of a process':>26}")
    copy = 0.0
    for name, options in WAYS.items():
        target = folder / "target"
        began = time.perf_counter()
        if options is None:
            shutil.copytree(photos, target)
        else:
            line = ["data=folder", f"data.source.path={photos}", f"data.path={target}", *options]
            subprocess.run([sys.executable, "-m", "glr.prepare", *line], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        copy = copy or seconds
        memory = f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB" if options else ""
        print(f"{name:<34}{seconds:>9.1f}{images / seconds:>10.0f}{copy / seconds:>13.0%}{memory:>26}", flush=True)
        shutil.rmtree(target)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as place:
        main(count, Path(place))
