"""Opens the MLflow store, and creates it once, however many processes start at the same time."""

import logging
import os
import re
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from glr.config.secrets import redacted
from glr.errors import GlrError
from glr.storage.lock import held

_SQLITE = "sqlite:///"


def connect(uri: str) -> MlflowClient:
    """Open the store.

    Args:
        uri: `sqlite:///FILE` or the address of an MLflow server.

    Raises:
        GlrError: it cannot be opened or reached.
    """
    for name in ("alembic", "mlflow.store.db.utils", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # fail in seconds at a wrong address
    try:
        with _alone(uri):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise GlrError(f"tracking.uri={redacted(uri)}: the MLflow store cannot be opened ({reason(error)})") from error
    return client


def reason(error: Exception) -> str:
    """Why a call to a store failed, in a line."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return redacted(f"{error.filename}: {error.strerror}")
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    if refused := re.search(r"\[Errno -?\d+\] ([\w ]+)", text):
        return refused[1]  # the core of urllib3's long message
    return redacted(text.splitlines()[0][:500])


def experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """The id of the experiment `name`; a new one puts its files below `artifacts` (None: where the server says)."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            raise GlrError(f"study={name}: this MLflow experiment was deleted; restore it, or take another name")
        return found.experiment_id
    location = (
        None if artifacts is None else str(artifacts) if "://" in artifacts else Path(artifacts).resolve().as_uri()
    )
    try:
        return client.create_experiment(name, location)
    except MlflowException:
        # Another job of the same sweep has created it meanwhile.
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found.experiment_id


def pages(uri: str, experiment_id: str) -> str:
    """Where a browser shows an experiment's runs: an address; for a local store also the command that serves it.

    MLflow's pages open at chats and prompts; `workflowType` selects training runs.
    """
    path = f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    if uri.startswith("http"):
        return f"{uri.rstrip('/')}{path}"
    return f"mlflow ui --backend-store-uri {uri}, then http://localhost:5000{path}"


@contextmanager
def _alone(uri: str):
    """Hold a lock beside a SQLite store, and create the store: two processes at once would break a new one for good."""
    if not uri.startswith(_SQLITE):
        yield
        return
    file = Path(uri.removeprefix(_SQLITE)).resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    with held(file.parent / ".lock"):
        if not file.exists():
            _make(file)
        yield


def _make(file: Path) -> None:
    """Create a database in one step, by a rename: MLflow never repairs one that a kill left half-made."""
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # slow, and not needed for a server

    part = file.with_name(f"{file.name}.part")
    for rest in (part, part.with_name(f"{part.name}-journal")):
        rest.unlink(missing_ok=True)
    part.touch()  # with the permissions of other files: SQLite would not let the group write
    SqlAlchemyStore(f"{_SQLITE}{part}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()
    part.rename(file)
