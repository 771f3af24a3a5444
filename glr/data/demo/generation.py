"""The demo set as files: photos of drawn landmarks and their CSVs, in the layout of Google Landmarks v2."""

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from glr.data.demo.scene import Landmark, photograph
from glr.errors import GlrError

SETTINGS = "settings.json"  # what the photos were drawn with, beside them
_NONE = 10**6  # in the place of a landmark's number, for photos that show none


@dataclass(frozen=True)
class _Shooting:
    """The photos to take of one landmark (or of none): (number of the photo, file)."""

    seed: int
    landmark: int | None
    size: int
    photos: list[tuple[int, Path]] = field(default_factory=list)


def generate(
    folder: Path,
    *,
    seed: int,
    train_landmarks: int,
    photos_per_landmark: int,
    retrieval_landmarks: int,
    distractor_landmarks: int,
    index_photos: int,
    query_photos: int,
    non_landmark_queries: int,
    photo_size: int,
    workers: int,
) -> None:
    """Draw the photos and write their CSVs; `folder` appears when all is there.

    Every photo is drawn from (seed, landmark, number of the photo): the files do not depend on the number of workers.

    Args:
        folder: the new folder.
        seed: of everything.
        train_landmarks, photos_per_landmark: of the train set.
        retrieval_landmarks: landmarks never trained on, in index and queries.
        distractor_landmarks: more of them, in the index alone.
        index_photos, query_photos: of each retrieval landmark.
        non_landmark_queries: queries that show no landmark.
        photo_size: the long side, pixels.
        workers: processes.

    Raises:
        GlrError: the folder holds something already.
    """
    settings = {name: value for name, value in locals().items() if name not in {"folder", "workers"}}
    if folder.exists() and any(folder.iterdir()):
        raise GlrError(f"{folder} is not empty; give data.source.path another folder, or delete this one")
    target = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    tables: dict[str, list[tuple[Any, ...]]] = {
        "train": [],
        "index": [],
        "test": [],
        "retrieval": [],
        "recognition": [],
    }
    shootings = []
    # As in GLDv2, landmarks have numbers with gaps.
    total = train_landmarks + retrieval_landmarks + distractor_landmarks
    names = np.random.default_rng([seed, _NONE]).choice(10 * total, total, replace=False).tolist()
    for landmark, name in enumerate(names):
        shooting = _Shooting(seed, landmark, photo_size)
        shootings.append(shooting)
        if landmark < train_landmarks:
            tables["train"] += [(i, name) for i in _shoot(shooting, target / "train", range(photos_per_landmark))]
            continue
        index = _shoot(shooting, target / "index", range(index_photos))
        tables["index"] += [(i, name) for i in index]
        if landmark < train_landmarks + retrieval_landmarks:
            queries = _shoot(shooting, target / "test", range(index_photos, index_photos + query_photos))
            _ask(tables, queries, " ".join(index), str(name), first=landmark)
    shootings.append(_Shooting(seed, None, photo_size))
    _ask(tables, _shoot(shootings[-1], target / "test", range(non_landmark_queries)), "", "", first=0)
    try:
        # spawn: the caller may have threads (TensorFlow's) that a fork would copy in a broken state.
        with (
            ProcessPoolExecutor(workers, get_context("spawn")) as pool,
            tqdm(total=sum(len(s.photos) for s in shootings), unit=" photos", desc="draw", disable=None) as bar,
        ):
            for count in (map if workers == 1 else pool.map)(_take, shootings):
                bar.update(count)
        _write(target / "train.csv", "id,landmark_id", tables["train"])
        _write(target / "index.csv", "id,landmark_id", tables["index"])
        _write(target / "test.csv", "id", tables["test"])
        _write(target / "retrieval_solution.csv", "id,images,Usage", tables["retrieval"])
        _write(target / "recognition_solution.csv", "id,landmarks,Usage", tables["recognition"])
        (target / SETTINGS).write_text(json.dumps(settings, indent=1))
        target.replace(folder)
    except OSError as error:
        raise GlrError(f"{error.filename or folder}: {error.strerror}; nothing was written") from error
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _shoot(shooting: _Shooting, folder: Path, numbers: Iterable[int]) -> list[str]:
    """Plan photos; returns their ids."""
    ids = []
    for number in numbers:
        key = f"{shooting.seed} {shooting.landmark} {number}"
        ids.append(hashlib.blake2b(key.encode(), digest_size=8).hexdigest())
        shooting.photos.append((number, folder.joinpath(*ids[-1][:3], f"{ids[-1]}.jpg")))
    return ids


def _ask(tables: dict[str, list[tuple[Any, ...]]], queries: list[str], images: str, name: str, first: int) -> None:
    """Add queries with their answers, Public and Private in turn."""
    for number, query in enumerate(queries, start=first):
        usage = ("Public", "Private")[number % 2]
        tables["test"].append((query,))
        tables["retrieval"].append((query, images, usage))
        tables["recognition"].append((query, name, usage))


def _take(shooting: _Shooting) -> int:
    cv2.setNumThreads(1)
    number = _NONE if shooting.landmark is None else shooting.landmark
    landmark = None if shooting.landmark is None else Landmark(np.random.default_rng([shooting.seed, number]))
    for photo, file in shooting.photos:
        pixels = photograph(landmark, np.random.default_rng([shooting.seed, number, photo]), shooting.size)
        encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded.tobytes())
    return len(shooting.photos)


def _write(file: Path, header: str, rows: list[tuple[Any, ...]]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(sorted(rows))
