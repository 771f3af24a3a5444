"""Time `compare` with many runs in the store.

python tests/benchmarks/compare.py 1000 10000
"""

import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from glr.config.check import composed
from glr.config.resolvers import setup
from glr.config.schema import Tracking
from glr.tracking.run import run

SCORES = {"public_score": 0.5, "private_score": 0.4, "public/map_at_100": 0.5, "private/map_at_100": 0.4}
TABLES = ("runs", "params", "latest_metrics", "tags")


def main(counts: list[int]) -> None:
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "mlflow.db"
            fill(store, count)
            started = time.monotonic()
            line = [sys.executable, "-m", "glr.compare", "study=many", "output=-", f"tracking.uri=sqlite:///{store}"]
            line.append("compare.outcomes=none")
            written = subprocess.run(line, capture_output=True, text=True, check=True).stdout
            seconds = time.monotonic() - started
            print(f"{count:>7,} runs: {seconds:6.1f} s, {len(written.splitlines()):,} lines", flush=True)


def fill(store: Path, count: int) -> None:
    """Record one run with all parameters, 52 metrics of 20 epochs and the usual tags, then copy its rows.

    Each copy has a learning rate of its own, and so a configuration. The metrics' earlier epochs, which `compare` does
    not read, are not copied.
    """
    tracking = Tracking(f"sqlite:///{store}", str(store.parent), str(store.parent / "journal"), 60)
    with run(tracking, "many", "first") as first:
        first.config(*composed("train", ["data=folder", "data.source.path=photos"]))
        first.tags({f"tag{number}": "value" for number in range(20)})
        first.tags({"configuration": "0", "overrides": "optimizer.learning_rate=0"})
        for epoch in range(20):
            first.metrics({f"metric{number}": 0.5 for number in range(48)}, epoch)
        first.metrics(SCORES, 20)
    with sqlite3.connect(store) as database:
        database.execute("create temp table copies (new, number)")
        copies = ((uuid.uuid4().hex, number) for number in range(1, count))
        database.executemany("insert into copies values (?, ?)", copies)
        replaced = "case key when 'configuration' then new when 'optimizer.learning_rate' then number else value end"
        own = {"run_uuid": "new", "start_time": "start_time + number", "value": replaced}
        for table in TABLES:
            columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
            chosen = ", ".join(own.get(column, column) for column in columns)
            copy = f"insert into {table} select {chosen} from {table} cross join copies where run_uuid = ?"
            database.execute(copy, (first.id,))


if __name__ == "__main__":
    setup()
    main([int(count) for count in sys.argv[1:]])
