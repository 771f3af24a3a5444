"""Opening a set: made where it is missing, read from a bucket directly or through a verified cache, all the same."""

import threading
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from glr import storage
from glr.data.augment import Unchanged
from glr.data.opening import open_data
from glr.data.pipeline import Batch, TrainPipeline
from glr.data.preparation import Options, prepare
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from tests.conftest import folder_source
from tests.gcs.emulator import Fault
from tests.gcs.fixture import Gcs
from tests.processes.forks import Forks


def config(class_folders: Path | str, path: str, **changes: object):
    source = {"_target_": "glr.data.source.FolderSource", "path": str(class_folders), "retrieval_classes": 0.25}
    source |= {"query_images": 0.25, "seed": 3}
    settings = {"path": path, "source": source, "validation_share": 0.0, "max_side": None, "background": 255}
    settings |= {"cache_dir": None}
    return OmegaConf.create(settings | changes)


def batches(data: PreparedData) -> list[Batch]:
    pipeline = TrainPipeline(data, Unchanged(), image_size=24, batch_size=12, seed=0, shuffle_buffer=30, parallelism=2)
    return list(pipeline.batches(0, 7))


def same(one: PreparedData, other: PreparedData) -> None:
    assert one.digest == other.digest
    for first, second in zip(batches(one), batches(other), strict=True):
        np.testing.assert_array_equal(first.images, second.images)
        np.testing.assert_array_equal(first.labels, second.labels)


@pytest.fixture
def local(class_folders: Path, tmp_path: Path) -> PreparedData:
    return open_data(config(class_folders, str(tmp_path / "local")), prepare=True, shard_images=25)


def test_made_only_where_asked_for(class_folders: Path, tmp_path: Path):
    wanted = config(class_folders, str(tmp_path / "set"), max_side=32)
    with pytest.raises(GlrError, match="holds no prepared data set"):
        open_data(wanted, prepare=False)
    made = open_data(wanted, prepare=True)
    assert open_data(wanted, prepare=False).digest == made.digest
    assert made.settings["max_side"] == 32
    with pytest.raises(GlrError, match=r"was prepared with data\.max_side=32, this run says 16"):
        open_data(config(class_folders, str(tmp_path / "set"), max_side=16), prepare=True)


def test_jobs_that_start_together_make_it_once(processes: Forks, class_folders: Path, tmp_path: Path):
    """Each job has a process of its own, and all begin while the set is missing."""
    (folder := tmp_path / "sets").mkdir()
    OmegaConf.save(config(class_folders, str(folder / "set")), tmp_path / "config.yaml")
    logs = [tmp_path / str(number) for number in range(3)]
    started = [processes.start(OPEN, command="-c", cwd=tmp_path, log=[str(log), "errors"]) for log in logs]
    assert [processes.wait(process) for process in started] == [0, 0, 0], (tmp_path / "errors").read_text()
    made = [log.read_text().splitlines()[-1].split() for log in logs]
    assert len({digest for digest, _ in made}) == 1
    assert len({written for _, written in made}) == 1  # the manifest was not written again
    assert [path.name for path in folder.iterdir()] == ["set"]


OPEN = """
from pathlib import Path
from omegaconf import OmegaConf
from glr.data.opening import open_data
from glr.data.prepared import MANIFEST
wanted = OmegaConf.load("config.yaml")
digest = open_data(wanted, prepare=True).digest
print(digest, (Path(wanted.path) / MANIFEST).stat().st_mtime_ns)
"""


def test_prepared_into_a_bucket_and_read_there(class_folders: Path, gcs: Gcs, gcs_folder: str, local: PreparedData):
    gcs.fault(Fault("*", "tfrec", 503, times=3), Fault("GET", "manifest", 429, times=1))
    wanted = config(class_folders, f"{gcs_folder}/set")
    made = open_data(wanted, prepare=True, shard_images=25, workers=2)
    assert set(storage.files(made.path)) == set(storage.files(local.path))
    gcs.fault(Fault("GET", "tfrec", cut=5000, times=2))
    same(made, local)
    with pytest.raises(GlrError, match="holds a prepared data set"):
        prepare(folder_source(class_folders), made.path, settings={})
    storage.write(storage.join(made.path, made.shards["train"][1].file), b"other", overwrite=True)
    with pytest.raises(GlrError, match=r"train-00001-of-00003-24\.tfrec has 5 bytes, the manifest says"):
        open_data(wanted, prepare=True)


def test_a_preparation_that_broke_off_in_a_bucket_continues(class_folders: Path, gcs: Gcs, gcs_folder: str):
    path = f"{gcs_folder}/set"
    plain = storage.upload

    def interrupted(files: list[tuple[Path, str]], **options: object) -> None:
        if "train-00001" in files[0][1]:
            raise KeyboardInterrupt
        plain(files, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "upload", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(folder_source(class_folders), path, Options(shard_images=25), settings={})
    with pytest.raises(GlrError, match="holds no prepared data set"):
        PreparedData(path)
    before = storage.files(path)
    gcs.log()
    data = prepare(folder_source(class_folders), path, Options(shard_images=25), settings={})
    assert {name for name in before if "train" in name} == {
        "train-00000-of-00003-24.tfrec",
        "train-00000-of-00003.done.json",
        "train-00001-of-00003.done.json",
    }
    read = [request.path for request in gcs.log() if request.method == "GET" and "train-0000" in request.path]
    assert any("train-00000-of-00003.done.json" in name for name in read)
    written = [shard.file for shard in data.shards["train"]]
    assert [name in before for name in written] == [True, False, False]
    assert not [name for name in storage.files(path) if name.endswith(".done.json")]
    assert data.images("train") == 72


def test_through_the_cache(class_folders: Path, gcs: Gcs, gcs_folder: str, local: PreparedData, tmp_path: Path):
    open_data(config(class_folders, f"{gcs_folder}/set"), prepare=True, shard_images=25)
    cached = config(class_folders, f"{gcs_folder}/set", cache_dir=str(tmp_path / "cache"))
    gcs.fault(Fault("GET", "train-00002-of-00003-24.tfrec?alt=media", tamper=True, times=2))
    with pytest.raises(GlrError, match=r"train-00002.* arrives damaged"):
        open_data(cached, prepare=False)
    gcs.fault()
    gcs.log()
    opened: list[PreparedData] = []
    threads = [threading.Thread(target=lambda: opened.append(open_data(cached, prepare=False))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    media = [r.path for r in gcs.log() if r.method == "GET" and "alt=media" in r.path and ".tfrec" in r.path]
    assert len(media) == len(set(media)) <= len(local.files("train")) + 2  # each file is downloaded only once
    for data in opened:
        assert Path(data.path).is_relative_to(tmp_path / "cache")
        same(data, local)
    gcs.log()
    same(open_data(cached, prepare=False), local)
    assert not [r for r in gcs.log() if ".tfrec" in r.path and "alt=media" in r.path]
    damaged = Path(opened[0].files("train")[0])
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(GlrError, match=r"train-00000.* bytes, the manifest says"):
        open_data(cached, prepare=False)


def test_a_source_in_a_bucket(class_folders: Path, gcs_folder: str, local: PreparedData):
    photos = [
        (p, storage.join(gcs_folder, "photos", *p.relative_to(class_folders).parts))
        for p in class_folders.rglob("*.jpg")
    ]
    storage.upload(photos)
    made = prepare(folder_source(f"{gcs_folder}/photos"), f"{gcs_folder}/set", Options(shard_images=25), settings={})
    same(made, local)
