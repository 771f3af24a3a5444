"""An index of photos: their descriptors by one model, kept on disk, brought up to date and searched exactly.

Opening an index needs no TensorFlow; describing images does.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from glr import storage
from glr.data.image_folder import stamps
from glr.data.pictures import Image
from glr.errors import GlrError
from glr.retrieval import faiss_view, index_files
from glr.retrieval.given import ids_of, queries_of
from glr.retrieval.hits import Hit, Hits, Results
from glr.retrieval.index_files import Settings
from glr.retrieval.nearest import nearest
from glr.retrieval.rows import EMPTY, Part, Rows, joined
from glr.retrieval.segments import check_readable, describe
from glr.storage.lock import held
from glr.storage.temporary import temporary_folder

if TYPE_CHECKING:
    from glr.retrieval.trained import TrainedModel


class Changes(NamedTuple):
    """What an update did: the files that it described, removed and kept, and path -> reason of unreadable ones."""

    described: int
    removed: int
    kept: int
    unreadable: dict[str, str]


class Index:
    """The descriptors of photos; made by `build` or `open`.

    Args:
        settings: what it is of.
        path: the folder that stores it, or will, once it is updated; None: it is in memory.
        model: describes photos and queries; None: only descriptors can be searched.

    Attributes:
        settings: what it is of.
        path: its folder, or None.
        model: the model, or None.

    Raises:
        GlrError: the stored index is damaged.
    """

    def __init__(self, settings: Settings, path: Path | None, model: "TrainedModel | None"):
        self.settings, self.path, self.model = settings, path, model
        self._rows, self._name = EMPTY, ""
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
            path: a new folder on this machine that keeps the index; None: it stays in memory.
            dtype: float32, or float16 in half the space.
            on_bad_image: "skip" leaves out what cannot be decoded; "error" refuses it.
            parallelism: threads that decode.

        Raises:
            GlrError: the path holds another index, or a finished one; there are no photos, or one cannot be decoded.
        """
        index = cls.begun(model, folder, path, dtype=dtype)
        if len(index):
            raise GlrError(f"{path} holds an index already; open it with Index.open and update it, or delete it")
        index.update(on_bad_image=on_bad_image, parallelism=parallelism)
        return index

    @classmethod
    def begun(
        cls, model: "TrainedModel", folder: str | Path, path: str | Path | None, *, dtype: str = "float32"
    ) -> "Index":
        """Open the index of a folder's photos at a path, or begin it, empty; `update` describes and stores the photos.

        Raises:
            GlrError: the path holds another index.
        """
        settings = Settings.of(model, str(folder), dtype)
        if path is None or not index_files.exists(index_files.local(path)):
            return cls(settings, None if path is None else index_files.local(path), model)
        index = cls.open(path, model)
        if index.settings != settings:
            raise GlrError(
                f"{path} holds an index of {index.settings.folder} ({index.settings.dtype}); give another path"
            )
        return index

    @classmethod
    def open(cls, path: str | Path, model: "TrainedModel | None" = None) -> "Index":
        """Open a stored index.

        Args:
            path: its folder.
            model: the model that described it; None: only descriptors can be searched.

        Raises:
            GlrError: there is no index, it is damaged, or it was described by another model.
        """
        folder = index_files.local(path)
        settings, _ = index_files.read(folder)
        if model is not None and Settings.of(model, settings.folder, settings.dtype).identity != settings.identity:
            raise GlrError(
                f"{path} was described by {settings.model}, not by {model.name} with these settings; "
                "build an index with this model"
            )
        return cls(settings, folder, model)

    @property
    def ids(self) -> list[str]:
        """The N ids: paths relative to the folder, and those of added images."""
        return list(self._rows.ids)

    @property
    def descriptors(self) -> np.ndarray:
        """The descriptors [N, D] of the ids, of length 1, memory-mapped if the index is stored; not to be changed."""
        return self._rows.values

    @property
    def paths(self) -> list[str]:
        """The files of the N images; empty for added images."""
        return [self._file(place) for place in range(len(self))]

    @property
    def unreadable(self) -> dict[str, str]:
        """The files that were left out, with the reason."""
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
        model = self._describing()
        files = stamps(self.settings.folder)
        if not files:
            raise GlrError(f"{self.settings.folder} holds no images")
        with self._changing() as place:
            kept = Part.unchanged(self._rows, files)
            known = kept.files()
            wanted = {path: stamp for path, stamp in files.items() if path not in known}
            keywords = {"dtype": self.settings.dtype, "parallelism": parallelism}
            parts = [kept, *describe(model, self.settings.folder, wanted, index_files.pending(place), **keywords)]
            unreadable = dict(sorted((path, why) for part in parts for path, (_, why) in part.unreadable.items()))
            check_readable(unreadable, files, self.settings.folder, on_bad_image)
            removed = len(Part.of(self._rows).files() - files.keys())
            if wanted or removed:
                self._replace(parts)
            return Changes(len(wanted.keys() - unreadable.keys()), removed, len(known - unreadable.keys()), unreadable)

    def add(self, images: Sequence[Image] | np.ndarray, ids: Sequence[str] | None = None) -> None:
        """Describe further images, which need not lie in the folder; add many at once, as a stored index is rewritten.

        Args:
            images: N files (local or gs://), arrays (uint8 [H, W, 3], or [H, W] if grey) or Pillow images.
            ids: N new ids; None: the files' paths.

        Raises:
            GlrError: an image cannot be read, or an id is missing, repeated, or not one line of text.
        """
        model = self._describing()
        names = ids_of(images, ids)
        with self._changing():
            if twice := [name for name, count in Counter([*self._rows.ids, *names]).items() if count > 1]:
                raise GlrError(f"add: the id {twice[0]} appears twice; give others in ids=[...]")
            values = model.describe(images).astype(self.settings.dtype)
            self._replace([Part.of(self._rows), Part.of(Rows(names, [""] * len(names), values, {}))])

    def save(self, path: str | Path) -> "Index":
        """Store a copy in a new folder on this machine, and open it.

        Raises:
            GlrError: the folder exists, or the index is empty.
        """
        folder = index_files.local(path)
        if folder.exists():
            raise GlrError(f"{path} exists already; delete it or take another name")
        if not len(self):
            raise GlrError("this index is empty; build it before saving it")
        index_files.write(folder, self.settings, index_files.store(folder, [Part.of(self._rows)], self.settings))
        return Index.open(folder, self.model)

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
        if k < 1:
            raise GlrError(f"k={k}: expected at least 1")
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
        return faiss_view.flat(np.ascontiguousarray(self.descriptors, np.float32))

    def __len__(self) -> int:
        return len(self._rows.ids)

    def __repr__(self) -> str:
        return f"<index of {len(self):,} images by {self.settings.model}>"

    def _describing(self) -> "TrainedModel":
        if self.model is None:
            raise GlrError(
                "this index was opened without its model, which describes images; give Index.open(path, model)"
            )
        return self.model

    def _file(self, place: int) -> str:
        return storage.join(self.settings.folder, self._rows.ids[place]) if self._rows.stamps[place] else ""

    @contextmanager
    def _changing(self) -> Iterator[Path]:
        """Lock the stored index, take what other processes have changed, and yield its folder, or a temporary one."""
        if self.path is None:
            with temporary_folder() as folder:
                yield folder
            return
        index_files.check_links(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        with held(self.path / ".lock"):
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
        self.settings, name = index_files.read(self.path)
        if name and name != self._name:
            self._rows, self._name = index_files.rows_of(self.path, name, self.settings), name
