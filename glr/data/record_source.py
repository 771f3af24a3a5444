"""TFRecords of any origin: which features of their examples hold the image, the id and the class."""

from collections.abc import Sequence

from glr import storage
from glr.data import tfrecord
from glr.data.holding_out import HeldOut
from glr.data.in_place import Features
from glr.data.record_files import opened, record_files
from glr.errors import GlrError

# The usual names: DELF's GLDv2 files, then those of Kaggle's GLDv2 and other data sets.
_IMAGES = ("image/encoded", "image")
_IDS = ("image/id", "image/filename", "image_id", "image_name", "id")
_LABELS = ("image/class/label", "landmark_id", "target", "label", "class")


class RecordSource:
    """TFRecord files that are read where they are; whole classes are held out as index and queries.

    Args:
        path: their folder, local or gs://; files may lie in folders below it.
        files: which files, by name, such as `train*`.
        image_feature, id_feature, label_feature: the names of the features; null: the one usual name that the first
            record has. Without any id, an image's id is its file's name and its number in the file.
        retrieval_classes, query_images, seed: see `glr.data.holding_out.HeldOut`.
    """

    def __init__(
        self,
        *,
        path: str | None,
        files: str,
        image_feature: str | None,
        id_feature: str | None,
        label_feature: str | None,
        retrieval_classes: float,
        query_images: float,
        seed: int,
    ):
        if path is None:
            raise GlrError("data.source.path: give the folder that holds the TFRecord files")
        self.path = path
        self.pattern = files
        self.names = {"image": image_feature, "id": id_feature, "label": label_feature}
        self.held_out = HeldOut(retrieval_classes, query_images, seed)

    def listing(self) -> tuple[list[str], list[str]]:
        """Return the names of the TFRecord files below `path`, and of files that are none.

        Raises:
            GlrError: there is no TFRecord file, or a file that is named like one is damaged.
        """
        return record_files(self.path, self.pattern)

    def features(self, file: str) -> Features:
        """Return the names of the features of a file's first record.

        Raises:
            GlrError: a name is missing or ambiguous; the message lists what the record holds.
        """
        where = storage.join(self.path, file)
        with opened(where) as stream:
            _, record = next(tfrecord.read_records(stream, where))
        try:
            values = tfrecord.features(record)
        except ValueError as error:
            raise GlrError(f"{where}: the first record cannot be used: {error}") from error
        kinds = {name: _kind(value) for name, value in sorted(values.items())}

        def chosen(part: str, usual: Sequence[str]) -> str | None:
            given = self.names[part]
            names = [name for name in usual if name in kinds] if given is None else [given]
            if (given is not None and given not in kinds) or len(names) > 1 or (not names and part != "id"):
                held = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
                raise GlrError(
                    f"{where}: its records hold {held}; name the feature of the {part} by "
                    f"data.source.{part}_feature" + ("" if given is None else f" (not {given})")
                )
            return names[0] if names else None

        image, label = chosen("image", _IMAGES), chosen("label", _LABELS)
        assert image is not None
        assert label is not None
        return Features(image, chosen("id", _IDS), label)


def _kind(value: object) -> str:
    return "floats or none" if value is None else "an integer" if isinstance(value, int) else "bytes"
