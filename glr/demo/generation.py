"""The demo set as files: photos of drawn landmarks and their CSVs, in the layout of Google Landmarks v2."""

import hashlib
import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from glr.config.printing import progress_bar
from glr.demo.scene import Landmark, photograph
from glr.devices.processes import SPAWN
from glr.errors import GlrError

VERSION = 2  # raise it when a change of the drawing code changes the photos
SETTINGS = "settings.json"  # a file beside the photos, with their version and settings
_NONE = 10**6  # the landmark number of photos that show no landmark
_COLUMNS = {
    "train": "id,landmark_id",
    "index": "id,landmark_id",
    "test": "id",
    "retrieval_solution": "id,images,Usage",
    "recognition_solution": "id,landmarks,Usage",
}


def generate(folder: Path, *, seed: int, photo_size: int, workers: int, **counts: int) -> None:
    """Draw the photos and write their CSVs; `folder` appears when it is complete.

    A photo depends only on (seed, landmark, number of the photo), not on the number of workers.

    Args:
        folder: the new folder.
        seed: determines every photo.
        photo_size: the long side, pixels.
        workers: processes.
        counts: numbers of landmarks and photos, as `_plan` names them.

    Raises:
        GlrError: the folder is not empty, or the disk is full.
    """
    if folder.exists() and any(folder.iterdir()):
        raise GlrError(f"{folder} is not empty; give data.source.path another folder")
    tables, jobs = _plan(seed, **counts)
    target = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    draw = partial(_draw, target, seed, photo_size)
    try:
        with (
            ProcessPoolExecutor(workers, SPAWN) as pool,
            progress_bar(total=sum(len(files) for _, files in jobs), unit=" photos", desc="draw") as bar,
        ):
            for drawn in (map if workers == 1 else pool.map)(draw, jobs):
                bar.update(drawn)
        for name, rows in tables.items():
            (target / f"{name}.csv").write_text("\n".join([_COLUMNS[name], *sorted(rows), ""]))
        settings = {"version": VERSION, "seed": seed, "photo_size": photo_size, **counts}
        (target / SETTINGS).write_text(json.dumps(settings, indent=1))
        target.replace(folder)
    except OSError as error:
        raise GlrError(f"{error.filename or folder}: {error.strerror}; nothing was written") from error
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _plan(
    seed: int,
    *,
    train_landmarks: int,
    photos_per_landmark: int,  # in the train set
    retrieval_landmarks: int,  # never trained on, in index and queries
    distractor_landmarks: int,  # never trained on, in the index only
    index_photos: int,  # per landmark
    query_photos: int,  # per landmark
    non_landmark_queries: int,
) -> tuple[dict[str, list[str]], list[tuple[int, list[Path]]]]:
    """Return the rows of each table, and each landmark's number with the files of its photos."""
    tables: dict[str, list[str]] = {name: [] for name in _COLUMNS}
    jobs = []
    splits_of = [
        *[["train"] * photos_per_landmark] * train_landmarks,
        *[["index"] * index_photos + ["test"] * query_photos] * retrieval_landmarks,
        *[["index"] * index_photos] * distractor_landmarks,
    ]
    # As in GLDv2, the landmarks' ids have gaps.
    names = np.random.default_rng([seed, _NONE]).choice(10 * len(splits_of), len(splits_of), replace=False).tolist()
    photos = zip([*range(len(names)), _NONE], [*names, ""], [*splits_of, ["test"] * non_landmark_queries], strict=True)
    for landmark, name, splits in photos:
        keys = (f"{seed} {landmark} {number}" for number in range(len(splits)))
        ids = [hashlib.blake2b(key.encode(), digest_size=8).hexdigest() for key in keys]
        jobs.append((landmark, [Path(split, *i[:3], f"{i}.jpg") for split, i in zip(splits, ids, strict=True)]))
        relevant = " ".join(ids[: splits.count("index")])
        for split, i in zip(splits, ids, strict=True):
            usage = ("Public", "Private")[len(tables["test"]) % 2]
            tables[split].append(i if split == "test" else f"{i},{name}")
            if split == "test":
                tables["retrieval_solution"].append(f"{i},{relevant},{usage}")
                tables["recognition_solution"].append(f"{i},{name},{usage}")
    return tables, jobs


def _draw(target: Path, seed: int, size: int, job: tuple[int, list[Path]]) -> int:
    """Draw one landmark's photos, and return their number."""
    cv2.setNumThreads(1)
    number, files = job
    landmark = None if number == _NONE else Landmark(np.random.default_rng([seed, number]))
    for photo, file in enumerate(files):
        pixels = photograph(landmark, np.random.default_rng([seed, number, photo]), size)
        encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_bytes(encoded.tobytes())
    return len(files)
