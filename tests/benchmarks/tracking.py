"""The cost of a tracking server that is down or slow: `PYTHONPATH=. python tests/benchmarks/tracking.py`.

The same run four times: beside a server that works, one that is killed for 60 s in the middle, one that takes 5 s for
each answer, and the first again. Prints the seconds in which it trained, and counts the metrics that arrived.
"""

import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import PIL.Image
from mlflow import MlflowClient

from tests.processes.forks import Forks, forks
from tests.processes.mlflow_server import MlflowServer, SlowProxy

EPOCHS = 150


def main(epochs: int) -> None:
    with tempfile.TemporaryDirectory() as temporary, forks() as processes:
        folder = Path(temporary)
        draw(folder / "photos")
        server = MlflowServer(processes, folder)
        server.start()
        train(processes, folder, server.uri, "warm-up", 2)
        seconds = {"healthy": train(processes, folder, server.uri, "healthy", epochs)}
        outage = threading.Thread(target=interrupt, args=(server, 20, 60))
        outage.start()
        seconds["killed for 60 s"] = train(processes, folder, server.uri, "killed", epochs)
        outage.join()
        seconds["5 s for each answer"] = train(processes, folder, SlowProxy(server.port, 5).uri, "slow", epochs)
        seconds["healthy again"] = train(processes, folder, server.uri, "again", epochs)
        for name, taken in seconds.items():
            print(f"{name:20} {taken:6.1f} s of training, {taken / seconds['healthy']:.3f} of the first")
        client = MlflowClient(server.uri)
        experiment = client.get_experiment_by_name("tracking")
        assert experiment is not None
        for run in client.search_runs([experiment.experiment_id]):
            history = [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")]
            expected = list(range(1, int(run.data.params["train.epochs"]) + 1))
            arrived = "all there" if history == expected else f"of {len(expected)}: INCOMPLETE"
            print(f"{run.info.run_name:10} {run.info.status}, {len(history)} epochs, {arrived}")
        server.kill()


def interrupt(server: MlflowServer, after: float, seconds: float) -> None:
    time.sleep(after)
    server.kill()
    time.sleep(seconds)
    server.start()


def train(processes: Forks, folder: Path, uri: str, name: str, epochs: int) -> float:
    """Train once; return the seconds that its epochs took, by its own log."""
    code = processes.run(
        *["backbone=small_cnn", "backbone.width=16", "model.embedding_size=64", "augment=study", "data=folder"],
        *[f"data.source.path={folder}/photos", "data.image_size=64", "train.batch_size=32", f"train.epochs={epochs}"],
        *["evaluate.every=null", "study=tracking", f"name={name}", "tracking=server", f"tracking.uri={uri}"],
        "tracking.patience=300",
        cwd=folder,
    )
    assert code == 0, (folder / "log.txt").read_text()
    log = (folder / "log.txt").read_text().rpartition(f"{epochs} epochs of ")[2]
    images = int(log.split()[0]) * 32
    return sum(images / float(rate) for rate in re.findall(r"(\d+) images/s", log))


def draw(folder: Path) -> None:
    for number in range(24):
        pattern = np.random.default_rng(number).integers(0, 256, (6, 8, 3)).repeat(16, 0).repeat(16, 1)
        (folder / f"class{number:02d}").mkdir(parents=True)
        for image in range(16):
            noise = np.random.default_rng([number, image]).normal(0, 20, pattern.shape)
            pixels = np.clip(pattern + noise, 0, 255).astype(np.uint8)
            PIL.Image.fromarray(pixels).save(folder / f"class{number:02d}" / f"{image}.jpg")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EPOCHS)
