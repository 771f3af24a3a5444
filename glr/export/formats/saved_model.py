"""TensorFlow's SavedModel, which takes images of any size; other formats are compared with it."""

from collections.abc import Sequence
from pathlib import Path

from glr.export.formats.format import FileFormat
from glr.export.model import ExportedModel
from glr.model.network import RetrievalModel


class SavedModel(FileFormat):
    """A folder with the signatures of `ExportedModel`."""

    name = "saved_model"
    file = "saved_model"
    runtime = "TensorFlow"
    script = "saved_model.py"
    any_size = True

    def convert(self, members: Sequence[RetrievalModel], weights: Sequence[float], file: Path) -> None:
        """See `FileFormat`."""
        ExportedModel(members, weights).write(file)
