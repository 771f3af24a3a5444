"""Opens the MLflow store; if several processes start at the same time, only one creates the store."""

import logging
import os
import re
import shlex
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from glr.config.secrets import redacted, shows_secret
from glr.errors import GlrError
from glr.storage.lock import held
from glr.tracking.places import origin, rewrite

_SQLITE = "sqlite:///"
_OLDEST = (2, 4)  # the first MLflow version whose server accepts all records; earlier servers refuse data sets
_PATIENCE = 10  # seconds for a server's first answer


class DeletedError(GlrError):
    """A run or its study was deleted in MLflow, and can be restored."""


def connect(uri: str) -> MlflowClient:
    """Open an MLflow store.

    Args:
        uri: `sqlite:///FILE` or the address of an MLflow server.

    Raises:
        GlrError: the store cannot be opened or reached, or the server is too old.
    """
    for name in ("alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it logs the traceback of what it raises
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # fail in seconds at a wrong address
    os.environ.setdefault("MLFLOW_ALLOW_HTTP_REDIRECTS", "false")  # a redirect to a login page is not success
    try:
        with _alone(uri):
            if uri.startswith("http"):
                _check_server(uri)
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
            old = origin(database) if (database := _database(uri)) else None
    except GlrError:
        raise
    except Exception as error:  # each kind of store, driver and proxy has its own errors
        missing = isinstance(error, ModuleNotFoundError)
        why = f"its driver is missing: pip install {error.name}" if missing else reason(error)
        raise GlrError(f"tracking.uri={redacted(uri)}: the MLflow store cannot be opened ({why})") from error
    if old is not None:
        raise GlrError(
            f"tracking.uri={uri}: this store was copied or moved from {old}, where it still keeps the files of its "
            f"runs; rewrite their places with: python -m glr.record store=moved tracking.uri={shlex.quote(uri)}"
        )
    return client


def moved(uri: str) -> list[Path]:
    """Rewrite the places of a local store that was copied or moved, and return the folders that it came from.

    Raises:
        GlrError: there is no such store, or its files were not copied or moved with it.
    """
    database = _database(uri)
    if database is None or not database.is_file():
        raise GlrError(f"tracking.uri={redacted(uri)}: only the places of a SQLite store that exists can be rewritten")
    with _alone(uri):
        return rewrite(database)


def version(uri: str) -> tuple[int, int]:
    """The version of MLflow whose pages show a store: the server's, or the installed one; (0, 0) if it is unknown.

    Raises:
        MlflowException: the server does not answer.
    """
    text = mlflow.__version__
    if uri.startswith("http"):
        answer = http_request(get_default_host_creds(uri), "/version", "GET", timeout=_PATIENCE, max_retries=0)
        text = answer.text if answer is not None and answer.status_code == 200 else ""
    numbers = re.match(r"(\d+)\.(\d+)", text)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _check_server(uri: str) -> None:
    """Check a server's version.

    Raises:
        GlrError: the server is too old.
        MlflowException: the server does not answer.
    """
    if (0, 0) < (own := version(uri)) < _OLDEST:
        shown, oldest = (".".join(map(str, numbers)) for numbers in (own, _OLDEST))
        raise GlrError(f"tracking.uri={redacted(uri)}: the server is MLflow {shown}; glr needs {oldest} or later")


def is_missing(error: Exception) -> bool:
    """Return True if MLflow answers that the requested object does not exist."""
    return isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST"


def restoring(client: MlflowClient, command: str) -> str:
    """The command line that restores a deleted run or experiment; `command` is its part after `mlflow`."""
    return f"MLFLOW_TRACKING_URI={shlex.quote(redacted(client.tracking_uri))} mlflow {command}"


def reason(error: Exception) -> str:
    """The reason why a call to a store failed, in one line."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return redacted(f"{error.filename}: {error.strerror}")
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    if refused := re.search(r"\[Errno -?\d+\] ([\w ]+)", text):
        return refused[1]  # the core of urllib3's long message
    if refused := re.search(r"\(\w+\.\w+\) (.+)", text):
        text = refused[1]  # the driver's own message in SQLAlchemy's
    return redacted(text.splitlines()[0][:500])


def check_place(artifacts: str | None) -> None:
    """Check that an address for files holds no password: MLflow would store the password and show it to everyone.

    Raises:
        GlrError: the address holds a password.
    """
    if artifacts is not None and shows_secret(artifacts):
        raise GlrError(
            f"tracking.artifacts={redacted(artifacts)}: MLflow would show the password in this address to everyone; "
            "leave it out, and give it to the MLflow server (tracking=server) or to the storage's own login"
        )


def experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """Find or create the experiment `name`, with files below `artifacts` (None: the server decides); return its id."""
    known = client.get_experiment_by_name(name)
    if known is not None:
        if known.lifecycle_stage == "deleted":
            restore = restoring(client, f"experiments restore --experiment-id {known.experiment_id}")
            raise DeletedError(f"study={name}: this MLflow experiment was deleted; restore it with: {restore}")
        return known.experiment_id
    check_place(artifacts)
    if artifacts is not None and "://" in artifacts and (odd := re.search(r"[#?%]", artifacts)):
        raise GlrError(f"tracking.artifacts={redacted(artifacts)}: MLflow cuts or changes an address with a {odd[0]}")
    location = (
        None if artifacts is None else str(artifacts) if "://" in artifacts else Path(artifacts).resolve().as_uri()
    )
    try:
        return client.create_experiment(name, location)
    except MlflowException:
        # Another job of the same sweep has created it meanwhile.
        known = client.get_experiment_by_name(name)
        if known is None:
            raise
        return known.experiment_id


def pages(uri: str, experiment_id: str, view: str | None = None) -> str:
    """The address of an experiment's runs for a browser; for a local store, preceded by the command that serves it.

    MLflow's pages open at chats and prompts; `workflowType` selects training runs.

    Args:
        uri: address of the store.
        experiment_id: the experiment.
        view: the key of the saved view to open; None: MLflow's own columns.
    """
    path = f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    path += f"&viewStateShareKey={view}" if view else ""
    if uri.startswith("http"):
        return f"{uri.rstrip('/')}{path}"
    return f"mlflow ui --backend-store-uri {uri}, then http://localhost:5000{path}"


def page_of(uri: str, experiment_id: str, run_id: str) -> str:
    """The address of a run for a browser, without a password; a local store's while `mlflow ui` serves it."""
    parts = urlsplit(uri if uri.startswith("http") else "http://localhost:5000")
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


def _database(uri: str) -> Path | None:
    """The full path of a SQLite store's file; None for another store."""
    return Path(uri.removeprefix(_SQLITE)).resolve() if uri.startswith(_SQLITE) else None


@contextmanager
def _alone(uri: str):
    """Hold a lock beside a SQLite store, and create a missing store: two processes at once would corrupt it."""
    file = _database(uri)
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with held(file.parent / ".lock"):
        if not file.exists():
            _make(file)
        yield


def _make(file: Path) -> None:
    """Create a database in one step, by a rename: MLflow never repairs a database that a kill left incomplete."""
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # slow, and not needed for a server

    part = file.with_name(f"{file.name}.part")
    for rest in (part, part.with_name(f"{part.name}-journal")):
        rest.unlink(missing_ok=True)
    part.touch()  # sets the usual permissions: SQLite would not let the group write
    SqlAlchemyStore(f"{_SQLITE}{part}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()
    part.rename(file)
