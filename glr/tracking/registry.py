"""MLflow's model registry: log a SavedModel with the run that trained it, and register it under a name."""

import logging
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.types import Schema, TensorSpec

from glr.errors import GlrError
from glr.storage.temporary import temporary_folder
from glr.tracking.description import NOTE, escaped, may_write, written
from glr.tracking.history import PastRun
from glr.tracking.store import reason

REGISTERED = "registered_model"  # the tag of a run that lists the models registered from it
_CODE = Path(__file__).with_name("served.py")
_EXAMPLE = (1, 16, 16, 3)


def check_model_name(name: str) -> None:
    """Raise GlrError unless MLflow accepts a name for a registered model, in addresses, too."""
    if not re.fullmatch(r"[^\W_][\w .-]{0,199}", name) or name != name.strip():
        raise GlrError(
            f"register={name}: give a name of letters, digits, blanks, dots, - and _, at most 200, that begins with a "
            "letter or a digit"
        )


def register(
    runs: Sequence[PastRun], name: str, saved_model: Path, dimension: int, requirements: Sequence[str]
) -> tuple[str, int]:
    """Log a SavedModel as a pyfunc model of the first run, and register it; tag all runs with the new version.

    Args:
        runs: the members.
        name: of the registered model; created if it does not exist.
        saved_model: a folder with the signature `batched`.
        dimension: D, of the descriptors.
        requirements: the pinned packages that run it.

    Returns:
        The name, and the number of the new version.

    Raises:
        GlrError: the store does not accept the model.
    """
    first, client = runs[0], MlflowClient(runs[0].store)
    model: LoggedModel | None = None
    is_new = False
    try:
        experiment = client.get_run(first.id).info.experiment_id
        model = client.create_logged_model(experiment, "descriptors", first.id, params=_params(runs))
        with temporary_folder() as folder:
            target = folder / "model"
            _save(target, Model(run_id=first.id, model_id=model.model_id), saved_model, dimension, requirements)
            client.log_model_artifacts(model.model_id, str(target))
        client.finalize_logged_model(model.model_id, "READY")
        with suppress(MlflowException):  # it exists; if not, the next call says what is wrong
            client.create_registered_model(name)
            is_new = True
        # A server knows the model by its id. A database would look for the id in MLflow's default store.
        source = f"models:/{model.model_id}" if first.store.startswith("http") else model.artifact_location
        version = client.create_model_version(
            name, source, first.id, description=_of_version(runs), model_id=model.model_id
        )
    except Exception as error:  # each kind of store has its own errors
        if is_new:
            with suppress(Exception):
                client.delete_registered_model(name)
        if model is not None:
            with suppress(Exception):
                get_artifact_repository(model.artifact_location).delete_artifacts()
                client.delete_logged_model(model.model_id)
        raise GlrError(
            f"register={name}: the MLflow store does not accept the model ({reason(error)}); mend that, then export to "
            "another output"
        ) from error
    number = int(version.version)
    try:
        client.log_outputs(first.id, [LoggedModelOutput(model.model_id, 0)])
        for run in runs:
            _tell(client, run, name, number)
    except Exception as error:
        raise GlrError(
            f"register={name}: version {number} is registered, but its runs cannot name it ({reason(error)})"
        ) from error
    return name, number


def _save(folder: Path, model: Model, saved_model: Path, dimension: int, requirements: Sequence[str]) -> None:
    """Write MLflow's folder of a model: the SavedModel, the code that serves it, a signature and a drawn example."""
    from mlflow import pyfunc  # slow, and not needed to read or record runs

    for logger in ("mlflow.models.model", "mlflow.pyfunc", "mlflow.utils.requirements_utils"):
        logging.getLogger(logger).setLevel(logging.ERROR)  # advice on other ways to log a model
    example = np.linspace(0, 255, num=int(np.prod(_EXAMPLE)), dtype=np.uint8).reshape(_EXAMPLE)
    images = TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))
    descriptors = TensorSpec(np.dtype(np.float32), (-1, dimension))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on types of tables
        pyfunc.save_model(
            str(folder),
            python_model=str(_CODE),
            artifacts={"saved_model": str(saved_model)},
            mlflow_model=model,
            signature=ModelSignature(Schema([images]), Schema([descriptors])),
            input_example=example,
            pip_requirements=list(requirements),
        )


def _params(runs: Sequence[PastRun]) -> dict[str, str]:
    return {"members": ", ".join(run.id for run in runs)}


def _of_version(runs: Sequence[PastRun]) -> str:
    return "Trained by " + ", ".join(
        f"run {escaped(run.name)} ({run.id}) of study {escaped(run.study)}" for run in runs
    )


def _tell(client: MlflowClient, run: PastRun, name: str, version: int) -> None:
    """Show a version on a run's page: in a tag, and in the description if it is glr's own."""
    current = client.get_run(run.id)
    tags = current.data.tags
    earlier = tags.get(REGISTERED)
    client.set_tag(run.id, REGISTERED, f"{earlier}, {name}/{version}" if earlier else f"{name}/{version}")
    if may_write(tags) and NOTE in tags:
        link = f"[model {escaped(name)} {version}](#/models/{quote(name)}/versions/{version})"
        text = written(f"{tags[NOTE]} · {link}", current.info.experiment_id, run.id)
        for key, value in text.items():
            client.set_tag(run.id, key, value)
