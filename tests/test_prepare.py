"""`python -m glr.prepare` as users run it: a folder of classes, twice."""

from pathlib import Path

from tests.conftest import here


def test_a_set_is_prepared_once_and_verified_again(class_folders: Path, tmp_path: Path):
    line = ["data=folder", f"data.source.path={class_folders}", "data.path=set", "data.source.retrieval_classes=0.25"]
    line += ["data.source.query_images=0.25", "shard_images=25"]
    verified = "set: 72 train, 18 index, 6 query images; 9 train classes; every shard verified\n"
    assert here("prepare", *line, cwd=tmp_path) == verified
    shards = {file: file.stat().st_mtime_ns for file in (tmp_path / "set").iterdir()}
    assert len([file for file in shards if file.name.startswith("train-")]) == 3
    assert here("prepare", *line, cwd=tmp_path) == verified
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "set").iterdir()} == shards
    damaged = next(file for file in shards if file.name.startswith("query-"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    assert "is damaged (wrong checksum)" in here("prepare", *line, cwd=tmp_path)


def test_bad_images_are_reported(class_folders: Path, tmp_path: Path):
    images = tmp_path / "images"
    for folder in sorted(class_folders.iterdir())[:4]:
        (images / folder.name).mkdir(parents=True)
        for file in folder.iterdir():
            (images / folder.name / file.name).write_bytes(file.read_bytes())
    (images / "class00/0.jpg").write_bytes(b"no image")
    line = ["data=folder", f"data.source.path={images}", "data.path=set"]
    assert f"{images}/class00/0.jpg" in here("prepare", *line, cwd=tmp_path)
    printed = here("prepare", *line, "on_bad_image=skip", cwd=tmp_path)
    assert printed.splitlines()[-1] == "1 image was skipped; see set/image_report.csv"
