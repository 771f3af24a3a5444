"""An index of photos: their descriptors by one model, kept on disk, brought up to date and searched exactly.

Opening an index needs no TensorFlow; describing images does.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from glr import storage
from glr.config.printing import printable
from glr.data.image_folder import stamps
from glr.data.pictures import Image
from glr.errors import GlrError
from glr.retrieval import faiss_view, index_files
from glr.retrieval.given import added, check_count, check_new, queries_of
from glr.retrieval.hits import Hit, Hits, Results
from glr.retrieval.index_files import Settings
from glr.retrieval.nearest import nearest
from glr.retrieval.rows import EMPTY, Part, Rows, joined
from glr.retrieval.segments import Changes, check_readable, describe
from glr.storage.temporary import temporary_folder

if TYPE_CHECKING:
    from glr.retrieval.trained import TrainedModel


class Index:
    """The descriptors of photos; made by `build` or `open`.

    Args: as the attributes.

    Attributes:
        settings: its model, its photos' folder and its stored type.
        path: the folder that stores it, or will, once it is updated; None: it is in memory.
        model: describes photos and queries; None: only descriptors can be searched.
        folder: its photos, in place of the folder in the settings; None: no photo is read.

    Raises:
        GlrError: the stored index is damaged.
    """

    def __init__(
        self, settings: Settings, path: Path | None, model: "TrainedModel | None", folder: str | Path | None = None
    ):
        self.settings, self.path, self.model = settings, path, model
        self.folder = None if folder is None else storage.normalized(str(folder))
        self._rows, self._name = EMPTY, ""
        self._added: dict[str, str] = {}  # id -> file of the images that this object has added
        self._reload()

    @classmethod
    def build(
        cls,
        model: "TrainedModel",
        folder: str | Path,
        path: str | Path | None = None,
        *,
        dtype: str = "float32",
        on_bad_image: str = "error",
        parallelism: int = 2,
    ) -> "Index":
        """Describe the photos below a folder; an interrupted call into a path continues.

        Args:
            model: describes the photos.
            folder: local or gs://; its hidden files do not count. A photo's id is its path relative to the folder.
            path: a new or empty folder on this machine that keeps the index; None: it stays in memory.
            dtype: float32, or float16 in half the space.
            on_bad_image: "skip" leaves out what cannot be decoded; "error" refuses it.
            parallelism: threads that decode.

        Raises:
            GlrError: the path holds other files or an index; there are no photos, or one cannot be decoded.
        """
        index = cls.open_or_begin(model, folder, path, dtype=dtype)
        if len(index):
            raise GlrError(f"{path} holds an index already; open it with Index.open and update it, or give a new path")
        index.update(on_bad_image=on_bad_image, parallelism=parallelism)
        return index

    @classmethod
    def open_or_begin(
        cls, model: "TrainedModel", folder: str | Path, path: str | Path | None, *, dtype: str = "float32"
    ) -> "Index":
        """Open the index of a folder's photos at a path, or begin it, empty; `update` describes and stores the photos.

        Raises:
            GlrError: the path holds another index.
        """
        settings = Settings.of(model, str(folder), dtype)
        place = None if path is None else index_files.local(path)
        if place is None or not index_files.exists(place):
            return cls(settings, place, model, folder)
        stored, _ = index_files.read(place)
        if (stored.folder, stored.dtype) != (settings.folder, settings.dtype):
            raise GlrError(printable(f"{path} holds an index of {stored.folder} ({stored.dtype}); give another path"))
        return cls.open(place, model, folder)

    @classmethod
    def open(cls, path: str | Path, model: "TrainedModel | None" = None, folder: str | Path | None = None) -> "Index":
        """Open a stored index.

        Args:
            path: its folder.
            model: the model that described it; None: only descriptors can be searched.
            folder: its photos, local or gs://, wherever they are now; None: hits have no pictures and no paths, and
                `update` is refused, since an index from elsewhere must not choose the files that are read.

        Raises:
            GlrError: there is no index, it is damaged, or it was described by another model.
        """
        place = index_files.local(path)
        settings, _ = index_files.read(place)
        if model is not None and index_files.identity_of(model) != settings.identity:
            other = f"{settings.model}, not by {model.name} with these settings"
            raise GlrError(printable(f"{path} was described by {other}; build an index with this model"))
        return cls(settings, place, model, folder)

    @property
    def ids(self) -> list[str]:
        """The N ids: paths relative to the folder, and those of added images."""
        return list(self._rows.ids)

    @property
    def descriptors(self) -> np.ndarray:
        """The descriptors [N, D] of the ids, of length 1, read-only, memory-mapped if the index is stored."""
        values = self._rows.values.view()
        values.flags.writeable = False
        return values

    @property
    def paths(self) -> list[str]:
        """The files of the N images; empty without a folder, and for added images once the index is opened again."""
        return [self._file(place) for place in range(len(self))]

    @property
    def unreadable(self) -> dict[str, str]:
        """The files that the last update left out, with the reason; an update tries them again."""
        return {path: reason for path, (_, reason) in self._rows.unreadable.items()}

    def update(self, *, on_bad_image: str = "error", parallelism: int = 2) -> Changes:
        """Describe the folder's new and changed photos, and remove those of deleted files.

        Interrupted, it leaves the index as it was; the next update continues. Added images stay, but a file of the
        folder that has the id of one replaces it.

        Args:
            on_bad_image: "skip" leaves out what cannot be decoded; "error" refuses it.
            parallelism: threads that decode.

        Raises:
            GlrError: the index has no model or folder, there are no photos, or one cannot be decoded.
        """
        model, folder = self._describing(), self._folder()
        unnamed: dict[str, str] = {}  # paths that an index cannot hold
        files = stamps(folder, unnamed if on_bad_image == "skip" else None)
        if not files:
            raise GlrError(f"{folder} holds no images")
        with self._changing() as place:
            kept = Part.unchanged(self._rows, files)
            known = kept.files()
            wanted = {path: stamp for path, stamp in files.items() if path not in known}
            keywords = {"dtype": self.settings.dtype, "parallelism": parallelism}
            parts = [kept, *describe(model, folder, wanted, index_files.pending(place), **keywords)]
            entries = dict(sorted(entry for part in parts for entry in part.unreadable.items()))
            unreadable = {path: reason for path, (_, reason) in entries.items()}
            check_readable(unreadable, files, folder, on_bad_image)
            removed = len(Part.of(self._rows).files() - files.keys())
            described = len(wanted.keys() - entries.keys())
            if described or removed or entries != self._rows.unreadable:
                self._replace(parts)
            return Changes(described, removed, len(known), unreadable | unnamed)

    def add(self, images: Iterable[Image] | np.ndarray, ids: Iterable[str] | None = None) -> None:
        """Describe further images, which need not lie in the folder; add many at once, as a stored index is rewritten.

        Args:
            images: N files (local or gs://), arrays (uint8 [H, W, 3], or [H, W] if grey) or Pillow images.
            ids: N new ids; None: the files' paths.

        Raises:
            GlrError: an image cannot be read, or an id is missing, repeated, or not one line of text.
        """
        model = self._describing()
        given = added(images, ids)
        with self._changing():
            check_new(given.ids, [*self._rows.ids, *self._rows.unreadable])
            values = model.describe(given.images).astype(self.settings.dtype)
            self._replace([Part.of(self._rows), Part.of(Rows(given.ids, [""] * len(given.ids), values, {}))])
            self._added |= given.files

    def save(self, path: str | Path) -> "Index":
        """Store a copy in a new folder on this machine, and open it.

        Raises:
            GlrError: the folder exists, or the index is empty.
        """
        place = index_files.local(path)
        if place.exists():
            raise GlrError(f"{path} exists already; give a new path")
        if not len(self):
            raise GlrError("this index is empty; build it before saving it")
        index_files.write(place, self.settings, index_files.store(place, [Part.of(self._rows)], self.settings))
        return Index.open(place, self.model, self.folder)

    @overload
    def search(self, queries: Image, k: int = 10) -> Hits: ...
    @overload
    def search(self, queries: Sequence[Image], k: int = 10) -> Results: ...
    def search(self, queries: Any, k: int = 10) -> Hits | Results:
        """Find the most similar images, exactly.

        Args:
            queries: an image, or a list of images: files (local or gs://), arrays (uint8 [H, W, 3], or [H, W] if grey),
                Pillow images; or descriptors by the index's model, float [D] or [Q, D].
            k: the most results for a query.

        Returns:
            The hits of an image or of a descriptor [D]; for several queries, those of each.

        Raises:
            GlrError: the index is empty, an image cannot be read, or descriptors have other dimensions.
        """
        if not len(self):
            raise GlrError("this index is empty: there is nothing to search")
        check_count(k)
        given = queries_of(queries)
        values = self._describing().describe(given.images) if given.vectors is None else given.vectors
        results = []
        for name, image, *ranked in zip(given.names, given.images, *nearest(values, self.descriptors, k), strict=True):
            hits = [Hit(self._rows.ids[at], float(score), self._file(at)) for score, at in zip(*ranked, strict=True)]
            results.append(Hits(name, image, hits))
        return results[0] if given.single else Results(results)

    def to_faiss(self) -> Any:
        """Return a `faiss.IndexFlatIP` that searches these descriptors in place; row n is `ids[n]`.

        Descriptors of float16 are copied, as faiss reads float32. Indexes of other kinds take `descriptors`.

        Raises:
            GlrError: faiss is not installed, or too old.
        """
        return faiss_view.flat(np.ascontiguousarray(self._rows.values, np.float32))

    def __len__(self) -> int:
        return len(self._rows.ids)

    def __repr__(self) -> str:
        return printable(f"<index of {len(self):,} images of {self.settings.folder} by {self.settings.model}>")

    def _describing(self) -> "TrainedModel":
        if self.model is None:
            raise GlrError("this index was opened without its model; give Index.open(path, model)")
        return self.model

    def _folder(self) -> str:
        if self.folder is None:
            raise GlrError("this index was opened without its folder of photos; give Index.open(path, model, folder)")
        return self.folder

    def _file(self, place: int) -> str:
        image_id = self._rows.ids[place]
        if not self._rows.stamps[place]:
            return self._added.get(image_id, "")
        return "" if self.folder is None else storage.join(self.folder, image_id)

    @contextmanager
    def _changing(self) -> Iterator[Path]:
        """Lock the stored index, take what other processes have changed, and yield its folder, or a temporary one."""
        if self.path is None:
            with temporary_folder() as folder:
                yield folder
            return
        with index_files.locked(self.path):
            if not index_files.exists(self.path):
                index_files.write(self.path, self.settings, "")
            self._reload()
            yield self.path
            index_files.tidy(self.path, self._name)

    def _replace(self, parts: Sequence[Part]) -> None:
        if self.path is None:
            self._rows = joined(parts)
            return
        index_files.write(self.path, self.settings, index_files.store(self.path, parts, self.settings))
        self._reload()

    def _reload(self) -> None:
        """Open the stored rows, unless they are open."""
        if self.path is None or not index_files.exists(self.path):
            return
        settings, self._name, rows = index_files.opened(self.path, self._name)
        self.settings = settings if self.folder is None else replace(settings, folder=self.folder)
        self._rows = self._rows if rows is None else rows
