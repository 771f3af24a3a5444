"""A catalogue of the images to prepare, kept on disk so that memory does not grow with their number."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from glr.data.image_id import check_image_id
from glr.data.rows import COLUMNS
from glr.errors import GlrError

SPLITS = ("train", "validation", "index", "query")


@dataclass(frozen=True)
class Photo:
    """One image: its id, its file, its class in the source (None: unknown), and its place in the source's listing."""

    id: str
    path: str
    landmark: str | None
    where: str


class Catalog:
    """Photos by split, with their classes' numbers, their order and the solutions of the retrieval task.

    It is a temporary SQLite file with a 16 MiB cache in memory.

    Args:
        seed: determines the order of the train images and the choice of validation images.
    """

    def __init__(self, seed: int = 0):
        self._seed = str(seed).encode()
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.create_function("draw", 1, lambda name: self._draw(name) / 2**63, deterministic=True)
        self._database.executescript(
            """
            PRAGMA cache_size = -16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE;
            CREATE TABLE photo (
                number INTEGER PRIMARY KEY, split, id, path, landmark, draw INTEGER, UNIQUE (id, split)
            );
            CREATE TABLE answer (number INTEGER PRIMARY KEY, task, id, answers, usage);
            CREATE TABLE class (landmark PRIMARY KEY, label INTEGER);
            CREATE TABLE left_out (number INTEGER PRIMARY KEY, landmark, path, reason);
            CREATE TABLE missing (number INTEGER PRIMARY KEY, split, id, path, landmark, place, UNIQUE (id, split));
            BEGIN;
            """
        )

    def add(self, split: str, photos: Iterable[Photo]) -> None:
        """Add photos to a split.

        Raises:
            GlrError: an id is invalid (`check_image_id`) or repeated in a split, or a train image has no class.
        """
        insert = "INSERT INTO photo (split, id, path, landmark, draw) VALUES (?, ?, ?, ?, ?)"
        for photo in photos:
            check_image_id(photo.id, photo.path)
            if split == "train" and not photo.landmark:
                raise GlrError(f"{photo.where}: the train image {photo.id} has no class (landmark_id)")
            try:
                row = (split, photo.id, photo.path, photo.landmark, self._draw(photo.id))
                self._database.execute(insert, row)
            except sqlite3.IntegrityError as error:
                raise GlrError(f"{photo.where}: the id {photo.id} appears twice") from error

    def answer(self, task: str, rows: Iterable[tuple[str, str, str]]) -> None:
        """Add the solution of a task, `retrieval` or `recognition`: rows of (query, answers, Usage)."""
        insert = "INSERT INTO answer (task, id, answers, usage) VALUES (?, ?, ?, ?)"
        self._database.executemany(insert, ((task, *row) for row in rows))

    def leave_out(self, landmark: str, path: str, reason: str) -> None:
        """Record that the set leaves out a file or folder of a class."""
        insert = "INSERT INTO left_out (landmark, path, reason) VALUES (?, ?, ?)"
        # A name that is not UTF-8 stays in the report, with its odd bytes as escapes.
        row = [text.encode(errors="backslashreplace").decode() for text in (landmark, path, reason)]
        self._database.execute(insert, row)

    def miss(self, split: str, photo: Photo) -> None:
        """Record an image of a split that the source lists but does not hold."""
        insert = "INSERT OR IGNORE INTO missing (split, id, path, landmark, place) VALUES (?, ?, ?, ?, ?)"
        self._database.execute(insert, (split, photo.id, photo.path, photo.landmark, photo.where))

    def refuse_missing(self) -> None:
        """Refuse a source that lists images that it does not hold.

        Raises:
            GlrError: there is such an image; the message names the first and their number.
        """
        first = self._database.execute("SELECT place, path FROM missing ORDER BY number LIMIT 1").fetchone()
        if first:
            missing, present = (
                self._database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("missing", "photo")
            )
            raise GlrError(
                f"{first[0]}: no image {first[1]} ({missing:,} of {missing + present:,} images are missing; "
                "on_missing_image=skip leaves them out)"
            )

    def leave_missing_out(self) -> None:
        """Remove missing images from the solutions, and record the train classes that have no image left."""
        self._database.execute(
            """
            INSERT INTO left_out (landmark, path, reason)
            SELECT DISTINCT landmark, '', 'all images of this class are missing' FROM missing
            WHERE split = 'train' AND landmark NOT IN (SELECT landmark FROM photo WHERE split = 'train')
            """
        )
        self._database.execute("DELETE FROM answer WHERE id IN (SELECT id FROM missing WHERE split = 'query')")
        rows = self._database.execute("SELECT number, answers FROM answer WHERE task = 'retrieval'")
        for number, answers in rows.fetchall() if self._misses("index") else ():
            if (kept := without(answers, self._is_missing)) != answers:
                self._database.execute("UPDATE answer SET answers = ? WHERE number = ?", (kept, number))

    def missing(self) -> Iterator[tuple[str, str]]:
        """Yield (id, path) of each record of `miss`."""
        return self._database.cursor().execute("SELECT id, path FROM missing ORDER BY number")

    def left_out(self) -> Iterator[tuple[str, str, str]]:
        """Yield (class, path, reason) for each record of `leave_out`."""
        return self._database.cursor().execute("SELECT landmark, path, reason FROM left_out ORDER BY number")

    def close(self) -> None:
        """Delete the catalogue."""
        self._database.close()

    def number_classes(self) -> int:
        """Number the train classes from 0, sorted by name (numerically if all are numbers); return their count."""
        names = [
            name for (name,) in self._database.execute("SELECT DISTINCT landmark FROM photo WHERE split = 'train'")
        ]
        names.sort(key=int if all(name.isdecimal() for name in names) else None)
        self._database.executemany("INSERT INTO class VALUES (?, ?)", ((name, n) for n, name in enumerate(names)))
        return len(names)

    def split_validation(self, share: float) -> None:
        """Move a share of each class's train images to the split `validation`; at least one image stays.

        A fractional number of images is rounded up or down at random, so that the overall share is right on average.
        """
        self._database.execute(
            """
            UPDATE photo SET split = 'validation' WHERE number IN (
                SELECT number FROM (
                    SELECT number, landmark,
                        ROW_NUMBER() OVER (PARTITION BY landmark ORDER BY draw, id) AS place,
                        COUNT(*) OVER (PARTITION BY landmark) AS images
                    FROM photo WHERE split = 'train'
                ) WHERE place <= MIN(CAST(images * ? + draw(landmark) AS INTEGER), images - 1)
            )
            """,
            (share,),
        )

    def emptied(self, skipped: Iterable[str]) -> list[str]:
        """Return the classes whose images all have skipped ids, among the train and validation images or the others."""
        self._database.execute("CREATE TEMP TABLE skipped (id PRIMARY KEY)")
        self._database.executemany("INSERT OR IGNORE INTO skipped VALUES (?)", ((image_id,) for image_id in skipped))
        rows = self._database.execute(
            """
            SELECT landmark FROM photo WHERE landmark IS NOT NULL GROUP BY split IN ('train', 'validation'), landmark
            HAVING SUM(id NOT IN (SELECT id FROM skipped)) = 0 ORDER BY landmark
            """
        )
        return [landmark for (landmark,) in rows]

    def count(self, split: str) -> int:
        """The number of photos of a split."""
        return self._database.execute("SELECT COUNT(*) FROM photo WHERE split = ?", (split,)).fetchone()[0]

    def photos(self, split: str) -> Iterator[tuple[str, str, int]]:
        """Yield (id, file, label): train and validation images shuffled; others in the order of adding, label -1."""
        shuffled = split in ("train", "validation")
        return self._database.cursor().execute(
            f"""
            SELECT id, path, {"label" if shuffled else "-1"} FROM photo LEFT JOIN class USING (landmark)
            WHERE split = ? ORDER BY {"draw, id" if shuffled else "number"}
            """,
            (split,),
        )

    def classes(self) -> Iterator[tuple[int, str]]:
        """Yield (label, class), sorted by label."""
        return self._database.cursor().execute("SELECT label, landmark FROM class ORDER BY label")

    def landmarks(self, split: str) -> Iterator[tuple[str, str]]:
        """Yield (id, class) of a split's photos as they were added; an unknown class is empty."""
        rows = "SELECT id, COALESCE(landmark, '') FROM photo WHERE split = ? ORDER BY number"
        return self._database.cursor().execute(rows, (split,))

    def answers(self, task: str) -> Iterator[tuple[str, str, str]]:
        """Yield the rows of a task's solution as they were added."""
        rows = "SELECT id, answers, usage FROM answer WHERE task = ? ORDER BY number"
        return self._database.cursor().execute(rows, (task,))

    def tasks(self) -> list[str]:
        """Return the tasks that have a solution."""
        return [task for task in COLUMNS if next(self.answers(task), None)]

    def check_solutions(self) -> None:
        """Refuse solutions that name unknown images or omit a query.

        Raises:
            GlrError: there is such an image; the message names the first.
        """
        unanswered = self._database.execute(
            "SELECT id FROM photo WHERE split = 'query' AND id NOT IN (SELECT id FROM answer) ORDER BY number LIMIT 1"
        ).fetchone()
        if unanswered:
            raise GlrError(f"the query image {unanswered[0]} is in no solution; the solutions must name every query")
        for task in self.tasks():
            for query, answers, _ in self.answers(task):
                self._must_have("query", query)
                for image_id in answers.split() if task == "retrieval" else ():
                    if image_id != "None":
                        self._must_have("index", image_id)

    def class_sizes(self) -> dict[str, int]:
        """Return the number of train images of each class, in the order of adding."""
        self._database.execute("CREATE INDEX IF NOT EXISTS by_class ON photo (split, landmark)")  # `take` needs it
        rows = "SELECT landmark, COUNT(*) FROM photo WHERE split = 'train' GROUP BY landmark ORDER BY MIN(number)"
        return dict(self._database.execute(rows))

    def take(self, landmark: str) -> list[Photo]:
        """Remove the train images of a class; return them in the order of adding."""
        rows = "FROM photo WHERE split = 'train' AND landmark = ?"
        taken = self._database.execute(f"SELECT id, path {rows} ORDER BY number", (landmark,)).fetchall()
        self._database.execute(f"DELETE {rows}", (landmark,))
        return [Photo(image_id, path, landmark, path) for image_id, path in taken]

    def _misses(self, split: str) -> bool:
        return bool(self._database.execute("SELECT 1 FROM missing WHERE split = ? LIMIT 1", (split,)).fetchone())

    def _is_missing(self, image_id: str) -> bool:
        row = "SELECT 1 FROM missing WHERE id = ? AND split = 'index'"
        return bool(self._database.execute(row, (image_id,)).fetchone())

    def _must_have(self, split: str, image_id: str) -> None:
        if not self._database.execute("SELECT 1 FROM photo WHERE id = ? AND split = ?", (image_id, split)).fetchone():
            raise GlrError(f"a solution names the {split} image {image_id}, which is not among the {split} images")

    def _draw(self, name: str) -> int:
        # A hash of the seed and the name: an image's rank does not depend on what else the catalogue holds.
        return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, key=self._seed).digest(), "big") >> 1


def without(answers: str, left_out: Callable[[str], bool]) -> str:
    """Remove ids from the answers of a retrieval query; `None` stands for no answer."""
    return " ".join(image_id for image_id in answers.split() if not left_out(image_id)) or "None"
