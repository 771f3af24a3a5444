"""A trained model in the user's hands: opened from a run, an export or a .keras file, it describes images."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from omegaconf import DictConfig

from glr import storage
from glr.config.command import compose
from glr.config.component import build
from glr.data.opening import open_stored
from glr.data.pictures import GivenPictures, Image, batches
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.model import saved_model
from glr.model.choice import check_model
from glr.model.keras_file import KerasDescriber, read_keras
from glr.model.loading import load_model, read_config
from glr.model.saved_model import SavedModel
from glr.retrieval.descriptors import check_finite
from glr.retrieval.extraction import Describer, Extractor
from glr.tracking.history import WEIGHTS, find
from glr.tracking.store import connect


@dataclass(frozen=True)
class TrainedModel:
    """A model that describes images.

    Attributes:
        name: the name that messages show.
        study: the study of its run; empty for a SavedModel or a .keras file.
        run_id: id of the run that trained it; None for a SavedModel or a .keras file.
        describer: describes batches of images.
        fingerprint: identifies the model in a cache of descriptors.
        neighbors: number of index images that classified a query in the run's own evaluations.
        data: opens the data set that the model was trained on; None for a SavedModel or a .keras file.
        network: the Keras model, which maps uint8 images [B, S, S, 3] to descriptors; None for a SavedModel.
    """

    name: str
    study: str
    run_id: str | None
    describer: Describer
    fingerprint: Sequence[object]
    neighbors: int = 1
    data: Callable[[], PreparedData] | None = None
    network: keras.Model | None = None

    def describe(self, images: Sequence[Image] | np.ndarray, *, parallelism: int = 2) -> np.ndarray:
        """Describe images, letterboxed and normalised as in training.

        Args:
            images: N files (local or gs://), arrays (uint8 [H, W, 3], or [H, W] if grey) or Pillow images.
            parallelism: threads that decode.

        Returns:
            Descriptors float32 [N, D], of length 1: the inner product of two is the similarity of their images.

        Raises:
            GlrError: an image cannot be read or has another type, or its descriptor is not finite.
        """
        pictures = GivenPictures(images)
        if not len(pictures):
            raise GlrError("images: there are none to describe")
        describer = self.describer_of(len(pictures))
        loaded = batches(
            pictures, image_size=describer.image_size, batch_size=describer.batch_size, parallelism=parallelism
        )
        values = np.concatenate([values for _, values in describer.describe(loaded)])
        check_finite(list(map(str, range(len(values)))), values)
        return values

    def describer_of(self, images: int) -> Describer:
        """Return the describer for a number of images: its batches are not much larger than this number."""
        return self.describer.sized(images) if isinstance(self.describer, Extractor) else self.describer

    def classified_by(self, neighbors: int | None) -> int:
        """Return the number of index images that classify a query: the given one, or the run's own."""
        return self.neighbors if neighbors is None else neighbors

    def __repr__(self) -> str:
        size = self.describer.image_size
        return f"<{self.name}: {'images of any size' if size is None else f'{size} x {size} pixels'}>"


def load(source: str | Path, study: str | None = None, **settings: object) -> TrainedModel:
    """Load a trained model.

    A stored run builds only classes that `conf/` names, a SavedModel must only compute, and a .keras file is read in
    Keras's safe mode; `trust` names what else may run, as in docs/trust.md.

    Args:
        source: a run (its name or id), a SavedModel (its folder, an export's folder, or a .zip), or a .keras file.
        study: the run's study; needed if runs of several studies, or a model's file, share its name.
        settings: of `glr evaluate`, such as `checkpoint="best"`, `tta="flip"`, `batch_size=16`, `trust=["mypackage"]`
            or `**{"tracking.uri": "sqlite:///mlflow.db"}`; see `glr evaluate --help`.

    Raises:
        GlrError: there is no such run or file, or it holds no model that can be loaded.
    """
    name = str(source)
    if study is None and (name.endswith((".keras", ".zip")) or storage.is_bucket(name) or saved_model.is_one(name)):
        return opened(compose("evaluate", model=name, **settings))
    config = compose("evaluate", run=f"{study}/{name}" if study else name, **settings)
    try:
        return opened(config)
    except GlrError as error:
        if study is None and os.path.exists(name):  # noqa: PTH110 (False for a name too long for a path)
            raise GlrError(f"{error}; the file or folder {name} holds no SavedModel and is no .keras file") from error
        raise


def opened(config: DictConfig) -> TrainedModel:
    """Open the model that a command's settings name: `run` or `model`, with `checkpoint`, `tta`, `trust` and others.

    Raises:
        GlrError: there is no such run or file, or it holds no model that can be loaded.
    """
    check_model(config)
    return _of_run(config) if config.run else _of_file(config)


def _of_run(config: DictConfig) -> TrainedModel:
    run = find(connect(config.tracking.uri), config.run)
    if "classes" not in run.params:
        raise GlrError(f"run={config.run}: it trained no model (it is of kind {run.kind})")
    weights = run.stored(WEIGHTS.format(config.checkpoint.value))
    settings = read_config(run.stored("config.yaml"), config.trust, f"run {run.name}")
    views = build(config.tta)
    strategy = build(config.strategy)
    with strategy.scope():
        model = load_model(settings, int(run.params["classes"]), weights, any_size=views.any_size)
    viewed = views.of(model, settings.data.image_size)
    return TrainedModel(
        run.name,
        run.study,
        run.id,
        Extractor(viewed, strategy, config.batch_size),
        [run.id, storage.checksum(weights), views.scales, views.flip],
        settings.evaluate.gap.neighbors,
        lambda: open_stored(settings.data, Path(config.cache, "data")),
        model,
    )


def _of_file(config: DictConfig) -> TrainedModel:
    """Open the file of a model; what is loaded needs its file no longer."""
    name, scales = Path(config.model.rstrip("/")).name, list(config.tta.scales)
    if config.model.endswith(".keras"):
        with storage.on_disk(config.model) as file:
            model = read_keras(file, config.max_model_gb)
            fingerprint: list[object] = [storage.checksum(file)]
        views, strategy = build(config.tta), build(config.strategy)
        if views.any_size:
            raise GlrError("tta: a .keras file takes images of one size; scales need a run")
        describer = Extractor(views.of(KerasDescriber(model), model.input_shape[1]), strategy, config.batch_size)
        return TrainedModel(name, "", None, describer, [*fingerprint, views.flip], network=model)
    with saved_model.on_disk(config.model, config.max_model_gb) as folder:
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        fingerprint = [[file.relative_to(folder).as_posix(), storage.checksum(file)] for file in files]
        fingerprint += [] if scales == [1.0] else [scales]
        describer = SavedModel(folder, trusted="saved_model" in config.trust, scales=scales)
    return TrainedModel(name, "", None, describer, fingerprint)
