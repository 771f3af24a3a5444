"""TensorFlow's own gs:// and this project's storage read what the other writes."""

import json
from pathlib import Path

import numpy as np
import pytest

from glr import storage
from glr.data.tfrecord import framed, split
from tests.gcs.emulator import Fault
from tests.gcs.fixture import Gcs
from tests.processes.forks import Forks

CHILD = """
import json, sys
import keras, tensorflow as tf

folder = sys.argv[1]
read = [record.numpy().hex() for record in tf.data.TFRecordDataset(f"{folder}/up.tfrec")]
with tf.io.TFRecordWriter(f"{folder}/down.tfrec") as writer:
    for record in read:
        writer.write(bytes.fromhex(record))

variable = tf.Variable([1.0, 2.0])
manager = tf.train.CheckpointManager(tf.train.Checkpoint(variable=variable), f"{folder}/checkpoints", max_to_keep=1)
for _ in range(2):
    variable.assign_add([1.0, 1.0])
    manager.save()
variable.assign([0.0, 0.0])
manager.checkpoint.restore(manager.latest_checkpoint).assert_consumed()

model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
ones = tf.ones((1, 3))
model.save(f"{folder}/model.keras")
model.export(f"{folder}/saved_model", verbose=False)
loaded, served = keras.saving.load_model(f"{folder}/model.keras"), tf.saved_model.load(f"{folder}/saved_model")
outputs = [output.numpy().tolist() for output in (model(ones), loaded(ones), served.serve(ones))]
listed = sorted(tf.io.gfile.listdir(folder))
print(json.dumps({"read": read, "variable": variable.numpy().tolist(), "outputs": outputs, "listed": listed}))
"""


@pytest.mark.slow
def test_tensorflow_reads_and_writes_the_same_files(processes: Forks, gcs: Gcs, gcs_folder: str, tmp_path: Path):
    records = [np.random.default_rng(number).bytes(size) for number, size in enumerate((0, 1, 100_000, 3_000_000))]
    (tmp_path / "up.tfrec").write_bytes(b"".join(map(framed, records)))
    storage.upload([(tmp_path / "up.tfrec", f"{gcs_folder}/up.tfrec")])
    gcs.fault(Fault("GET", "up.tfrec", 503, times=2))
    done = processes.output(CHILD, gcs_folder, command="-c", cwd=tmp_path, **gcs.environment)
    assert done.returncode == 0, done.stderr[-4000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    requests = [request for request in gcs.log() if "up.tfrec" in request.path and request.method == "GET"]
    assert [request.status for request in requests].count(503) == 2
    assert {request.host for request in requests} >= {"storage.googleapis.com"}
    assert answer["read"] == [record.hex() for record in records]
    assert answer["variable"] == [3.0, 4.0]
    assert answer["outputs"][0] == answer["outputs"][1] == answer["outputs"][2]
    assert {name.rstrip("/") for name in answer["listed"]} == {
        "up.tfrec", "down.tfrec", "checkpoints", "model.keras", "saved_model"
    }  # fmt: skip
    storage.download([(f"{gcs_folder}/down.tfrec", tmp_path / "down.tfrec")])
    assert [record for _, record in split((tmp_path / "down.tfrec").read_bytes(), "down")] == records
    assert storage.read(f"{gcs_folder}/down.tfrec") == storage.read(f"{gcs_folder}/up.tfrec")
    files = storage.files(gcs_folder)
    assert [name for name in files if name.startswith("checkpoints/") and name.endswith(".index")] == [
        "checkpoints/ckpt-2.index"
    ]
    assert "saved_model/saved_model.pb" in files
