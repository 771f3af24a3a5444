"""A study whose files lie in Google Cloud Storage: MLflow stores them there, and lists them."""

from pathlib import Path

from mlflow import MlflowClient

from glr import storage
from glr.config.schema import Tracking
from glr.tracking.run import run
from tests.gcs.fixture import Gcs


def test_a_runs_files_lie_in_the_bucket(gcs: Gcs, gcs_folder: str, work: Path):
    (work / "plot.png").write_bytes(b"picture")
    uri = f"sqlite:///{work}/mlruns/mlflow.db"
    with run(Tracking(uri, gcs_folder, str(work / "journal"), 60), "study", "a run") as opened:
        opened.file(work / "plot.png", "plots")
        opened.text("a: 1\n", "config.yaml")
    artifacts = f"{gcs_folder}/{opened.id}/artifacts"
    assert list(storage.files(artifacts)) == ["config.yaml", "plots/plot.png"]
    assert storage.read(storage.join(artifacts, "plots/plot.png")) == b"picture"
    client = MlflowClient(uri)
    assert opened.id
    assert [(file.path, file.is_dir) for file in client.list_artifacts(opened.id)] == [
        ("config.yaml", False),
        ("plots", True),
    ]
    assert [(file.path, file.file_size) for file in client.list_artifacts(opened.id, "plots")] == [
        ("plots/plot.png", 7)
    ]
    local = client.download_artifacts(opened.id, "plots/plot.png", str(work))
    assert Path(local).read_bytes() == b"picture"
    assert {request.host for request in gcs.log()} == {gcs.host.removeprefix("http://")}
