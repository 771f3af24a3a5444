"""An export job: members built from their runs, written as one model, verified, and described in a model card."""

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tensorflow as tf
from omegaconf import DictConfig

from glr import storage
from glr.config.names import as_file_name
from glr.config.values import Precision
from glr.errors import GlrError
from glr.export import reference
from glr.export.card import model_card
from glr.export.cost import FileDescriber, cost
from glr.export.export import Export, Written
from glr.export.formats.choice import SAVED_MODEL, chosen
from glr.export.formats.format import FileFormat
from glr.export.members import Members
from glr.model.network import RetrievalModel
from glr.storage.temporary import temporary_folder
from glr.tracking.history import PastRun
from glr.tracking.registry import check_model_name, register


def export(config: DictConfig, runs: Sequence[PastRun]) -> Export:
    """Write the formats and `model_card.md`; on an error, write nothing. Then register the model on request.

    Args:
        config: composed from conf/export.yaml.
        runs: the members.

    Raises:
        GlrError: a run has no weights, a limit is exceeded, the output exists, a format cannot hold the model or its
            packages are not installed, the written model's descriptors differ from the runs' or a file's from the
            model's, or the store does not register the model, whose files are then written.
    """
    formats = chosen(config.format)
    if config.register is not None:
        check_model_name(config.register)
    output = config.output or f"exports/{as_file_name('+'.join(run.name for run in runs))}"
    if storage.files(output):
        raise GlrError(f"output={output}: this folder holds files already; give a new one")
    if storage.exists(output):
        raise GlrError(f"output={output}: this is a file; give a new folder")
    members = Members.of(config, runs)
    if config.limits.dimension is not None and members.dimension > config.limits.dimension:
        raise GlrError(
            f"the descriptor would have {members.dimension} dimensions; limits.dimension={config.limits.dimension}"
        )
    # The temporary folder lies beside a local output, so that a rename creates the output in one step.
    beside = None if storage.is_bucket(output) else Path(output).resolve().parent
    if beside is not None:
        beside.mkdir(parents=True, exist_ok=True)
    with temporary_folder(beside) as temporary:
        folder = temporary / "export"
        folder.mkdir()
        done = _Job(config, members, temporary, formats).run(output)
        (folder / "model_card.md").write_text(model_card(config, members, done))
        if beside is not None:
            folder = folder.rename(output)
        else:
            files = [file for file in folder.rglob("*") if file.is_file()]
            storage.upload([(file, storage.join(output, file.relative_to(folder).as_posix())) for file in files])
        if config.register is not None:
            saved_model = (folder if SAVED_MODEL in formats else temporary) / SAVED_MODEL.file
            done = replace(done, registered=_registered(config.register, members, saved_model, output))
    return done


def _registered(name: str, members: Members, saved_model: Path, output: str) -> tuple[str, int]:
    """Register a SavedModel under a name, and return the name and its version; the files of the output are complete."""
    requirements = [f"tensorflow=={tf.__version__}", *(f"{name}=={version(name)}" for name in ("mlflow", "numpy"))]
    try:
        return register(members.runs, name, saved_model, members.dimension, requirements)
    except GlrError as error:
        raise GlrError(f"{error}; the files in {output} are complete") from error


class _Job:
    """Writes and tries the files in `temporary`/export.

    The SavedModel is written in any case, since the other formats are compared with it: in `temporary` itself if it is
    not among the formats.

    Args:
        config: composed from conf/export.yaml.
        members: the members.
        temporary: a folder of the job's own.
        formats: the formats to write.
    """

    def __init__(self, config: DictConfig, members: Members, temporary: Path, formats: Sequence[FileFormat]):
        self._config = config
        self._members = members
        self._temporary = temporary
        self._folder = temporary / "export"
        self._formats = formats
        self._saved_model = (self._folder if SAVED_MODEL in formats else temporary) / SAVED_MODEL.file
        self._images, self._names = reference.images(members.settings[0], config.verify) if config.verify else ([], [])
        self._described = np.empty(0)  # by the SavedModel

    def run(self, output: str) -> Export:
        """Write all; return the result for the folder that the files will have."""
        config, members = self._config, self._members
        models = members.models()
        SAVED_MODEL.write(models, members.weights, self._saved_model)
        megabytes = self._zipped() if SAVED_MODEL in self._formats else None
        difference, source = self._tried(models) if config.verify else (None, "nothing")
        others = [each for each in self._formats if each is not SAVED_MODEL]
        if others and members.half:
            models = members.models(Precision.float32)
        written = tuple(self._written(each, models) for each in others)
        return Export(output, members.dimension, megabytes, len(self._images), source, difference, written)

    def _zipped(self) -> float:
        """Pack the SavedModel with its files at the root, and return the size in MB."""
        file = self._folder / "submission.zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in sorted(self._saved_model.rglob("*")):
                archive.write(member, member.relative_to(self._saved_model))
        megabytes, limit = file.stat().st_size / 1e6, self._config.limits.megabytes
        if limit is not None and megabytes > limit:
            raise GlrError(f"submission.zip has {megabytes:,.1f} MB; limits.megabytes={limit:g}")
        return megabytes

    def _tried(self, models: Sequence[RetrievalModel]) -> tuple[float, str]:
        """Compare the SavedModel, from the zip if there is one, with its members; return the difference and source."""
        members, archive, folder = self._members, self._folder / "submission.zip", self._saved_model
        expected, source = reference.expected(members, models, self._names)
        if archive.exists():
            folder = self._temporary / "reloaded"
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(folder)
        self._described = SAVED_MODEL.describe(folder, self._images, members.sizes, self._temporary)
        difference, tolerance = _largest_difference(self._described, expected), self._config.tolerance
        if not difference <= tolerance:
            raise GlrError(
                f"the written model's descriptors differ from {source} by {difference:.1e}, more than "
                f"tolerance={tolerance:g}; nothing was written"
            )
        return difference, source

    def _written(self, written: FileFormat, models: Sequence[RetrievalModel]) -> Written:
        """Write a format, and compare its descriptors with the SavedModel's."""
        file, sizes, config = self._folder / written.file, self._members.sizes, self._config
        written.write(models, self._members.weights, file)
        difference = measured = None
        if config.verify:
            described = written.describe(file, self._images, sizes, self._temporary)
            difference = _largest_difference(described, self._described)
            key, limit = (
                ("float16.tolerance", config.float16.tolerance) if written.float16 else ("tolerance", config.tolerance)
            )
            if not difference <= limit:
                half = f" ({', '.join(self._members.half)}; the file in float32)" if self._members.half else ""
                raise GlrError(
                    f"format={written.name}: its descriptors differ from the SavedModel's by {difference:.1e}, more "
                    f"than {key}={limit:g}{half}; nothing was written"
                )
        if config.verify and written.float16:
            describer = FileDescriber(written, file, sizes, self._temporary)
            own, most = self._members.settings[0], config.float16.images
            measured = cost(own, most, self._saved_model, describer, self._temporary)
        megabytes, inputs = file.stat().st_size / 1e6, written.inputs(sizes)
        return Written(written.file, megabytes, written.runtime, inputs, written.any_size, difference, measured)


def _largest_difference(described: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(described - expected).max())
