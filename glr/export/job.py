"""An export job: members built from their runs, written as one model, verified, and described in a model card."""

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from omegaconf import DictConfig

from glr import storage
from glr.config.names import as_file_name
from glr.data.opening import open_stored
from glr.data.pictures import StoredPictures, batches
from glr.errors import GlrError
from glr.export import reloading
from glr.export.card import model_card
from glr.export.export import Export
from glr.export.model import ExportedModel
from glr.model.loading import load_model, read_config
from glr.model.network import RetrievalModel
from glr.retrieval import descriptors
from glr.storage.temporary import temporary_folder
from glr.tracking.history import WEIGHTS, PastRun


def export(config: DictConfig, runs: Sequence[PastRun]) -> Export:
    """Write `saved_model/`, `submission.zip` and `model_card.md`; on an error, write nothing.

    Args:
        config: composed from conf/export.yaml.
        runs: the members.

    Raises:
        GlrError: a run has no weights, a limit is exceeded, the output exists, or the written model's descriptors
            differ from the runs'.
    """
    output = config.output or f"exports/{as_file_name('+'.join(run.name for run in runs))}"
    if storage.files(output):
        raise GlrError(f"output={output}: this folder holds files already; give a new one")
    settings = [read_config(run.stored("config.yaml"), config.trust, f"run {run.name}") for run in runs]
    members = [_member(run, own, config.checkpoint.value) for run, own in zip(runs, settings, strict=True)]
    weights = list(config.weights or [1.0] * len(members))
    dimension = sum(own.model.embedding_size for own in settings)
    if config.limits.dimension is not None and dimension > config.limits.dimension:
        raise GlrError(f"the descriptor would have {dimension} dimensions; limits.dimension={config.limits.dimension}")
    # The temporary folder lies beside a local output, so that a rename creates the output in one step.
    beside = None if storage.is_bucket(output) else Path(output).resolve().parent
    if beside is not None:
        beside.mkdir(parents=True, exist_ok=True)
    with temporary_folder(beside) as temporary:
        folder = temporary / "export"
        ExportedModel(members, weights).write(folder / "saved_model")
        megabytes = _zip(folder / "saved_model", folder / "submission.zip") / 1e6
        if config.limits.megabytes is not None and megabytes > config.limits.megabytes:
            raise GlrError(f"submission.zip has {megabytes:,.1f} MB; limits.megabytes={config.limits.megabytes:g}")
        difference, reference = None, "nothing"
        if config.verify:
            images, names = _images(settings[0], config.verify)
            expected, reference = _expected(runs, settings, members, weights, names, config)
            reloaded = _reloaded(folder / "submission.zip", images, temporary)
            difference = float(np.abs(reloaded - expected).max())
            if not difference <= config.tolerance:
                raise GlrError(
                    f"the written model's descriptors differ from {reference} by {difference:.1e}, more than "
                    f"tolerance={config.tolerance:g}; nothing was written"
                )
        done = Export(output, dimension, megabytes, config.verify, reference, difference)
        (folder / "model_card.md").write_text(model_card(config, runs, settings, weights, done))
        if beside is not None:
            folder.rename(output)
        else:
            files = [file for file in folder.rglob("*") if file.is_file()]
            storage.upload([(file, storage.join(output, file.relative_to(folder).as_posix())) for file in files])
    return done


def _member(run: PastRun, settings: DictConfig, checkpoint: str) -> RetrievalModel:
    if "classes" not in run.params:
        raise GlrError(f"run {run.name} ({run.id}) trained no model that could be exported")
    return load_model(settings, int(run.params["classes"]), run.stored(WEIGHTS.format(checkpoint)))


def _zip(folder: Path, file: Path) -> int:
    """Pack a SavedModel with its files at the root, and return the size in bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in sorted(folder.rglob("*")):
            archive.write(member, member.relative_to(folder))
    return file.stat().st_size


def _images(settings: DictConfig, count: int) -> tuple[list[np.ndarray], list[str]]:
    """The first query images of a run's data set, unchanged, and their ids."""
    data = open_stored(settings.data)
    loaded = batches(StoredPictures(data, "query"), image_size=None, batch_size=count, parallelism=1)
    names, images = next(loaded)
    return images, [image_id for image_id, _ in names]


def _expected(
    runs: Sequence[PastRun],
    settings: Sequence[DictConfig],
    members: Sequence[RetrievalModel],
    weights: Sequence[float],
    names: Sequence[str],
    config: DictConfig,
) -> tuple[np.ndarray, str]:
    """The descriptors [n, D] that the runs stored or that their models give now, and a text that names the source."""
    shares = np.sqrt(np.array(weights) / sum(weights))
    parts, sources = [], set()
    for run, own, member, share in zip(runs, settings, members, shares, strict=True):
        values = _stored(run, names) if config.checkpoint.value == "last" else None
        sources.add("the descriptors of training" if values is not None else "the model in training's pipeline")
        if values is None:
            data = open_stored(own.data)
            pictures = StoredPictures(data, "query")
            loaded = batches(pictures, image_size=member.image_size, batch_size=len(names), parallelism=1)
            values = np.asarray(member.describe(tf.constant(next(loaded)[1])))
        parts.append(share * values)
    return np.concatenate(parts, axis=1), " and ".join(sorted(sources))


def _stored(run: PastRun, names: Sequence[str]) -> np.ndarray | None:
    """The descriptors that a run stored for some queries; None: some are missing, or they are in half precision."""
    try:
        ids, values = descriptors.load(run.stored("descriptors"), "query")
    except GlrError:
        return None
    if values.dtype != np.float32 or not set(names) <= set(ids):
        return None
    return values[[ids.index(name) for name in names]]


def _reloaded(archive: Path, images: Sequence[np.ndarray], folder: Path) -> np.ndarray:
    """The descriptors of the zip's model, loaded in a fresh process without glr."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "reloaded")
    np.savez(folder / "images.npz", *images)
    files = [str(folder / name) for name in ("reloaded", "images.npz", "out.npy")]
    call = [sys.executable, "-I", reloading.__file__, *files]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GlrError(f"the written model does not load in a fresh process: {done.stderr.strip().splitlines()[-1]}")
    return np.load(folder / "out.npy")
