"""A run's own index and queries as folders of files."""

from pathlib import Path

import pytest

from glr.data.prepared import PreparedData
from glr.data.tfrecord import parse


@pytest.fixture(scope="module")
def pair(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, bytes]]]:
    """The run's own index and queries as folders of JPEGs, with solution CSVs that name them."""
    data, folder = PreparedData(trained / "data/folder"), tmp_path_factory.mktemp("pair")
    images: dict[str, dict[str, bytes]] = {}
    for split, name in (("index", "index"), ("query", "queries")):
        records = [record for shard in data.shards[split] for _, record in data.read_block(shard, 0)]
        parsed = [parse(record) for record in records]
        images[name] = {Path(image.id.replace("/", "_")).stem: bytes(image.encoded) for image in parsed}
        for number, (image_id, content) in enumerate(images[name].items()):
            place = folder / name / ("below" if number % 2 else "") / f"{image_id}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    for file in ("retrieval_solution.csv", "recognition_solution.csv", "index.csv"):
        text = (trained / "data/folder" / file).read_text()
        names = [line.replace("/", "_").replace(".jpg", "") for line in text.splitlines()]
        (folder / file).write_text("\n".join(names) + "\n")
    return folder, images


def of_pair(folder: Path) -> list[str]:
    settings = [f"index={folder}/index", f"queries={folder}/queries", f"index_classes={folder}/index.csv"]
    return settings + [f"{task}_solution={folder}/{task}_solution.csv" for task in ("retrieval", "recognition")]
