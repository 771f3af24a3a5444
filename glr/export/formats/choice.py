"""The formats by their names in the setting `format`."""

from collections.abc import Sequence

from glr.config.values import ExportFormat
from glr.errors import GlrError
from glr.export.formats.format import FileFormat
from glr.export.formats.keras import KerasFile
from glr.export.formats.litert import Litert
from glr.export.formats.litert_float16 import LitertFloat16
from glr.export.formats.onnx import Onnx
from glr.export.formats.saved_model import SavedModel

SAVED_MODEL = SavedModel()
_FORMATS: dict[str, FileFormat] = {
    each.name: each for each in (SAVED_MODEL, Onnx(), Litert(), LitertFloat16(), KerasFile())
}


def chosen(formats: Sequence[ExportFormat]) -> list[FileFormat]:
    """Return the formats of a setting, each once.

    Raises:
        GlrError: none is given, or the packages of one are not installed.
    """
    if not formats:
        raise GlrError(f"format=[]: give at least one of {', '.join(ExportFormat)}")
    wanted = [_FORMATS[str(name)] for name in dict.fromkeys(formats)]
    for each in wanted:
        each.check_installed()
    return wanted
