"""The places of a local store's files. MLflow stores full paths, which must be rewritten after a move or a copy."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from glr.errors import GlrError

# The columns of MLflow's tables that hold paths of files.
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("tags", "value"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_STUDIES = "SELECT experiment_id, name, creation_time, artifact_location FROM experiments WHERE name != 'Default'"


def origin(database: Path) -> Path | None:
    """The folder from which a store was copied or moved without `rewrite`; None: the store's paths are right.

    Args:
        database: full path of the SQLite file.
    """
    with closing(_opened(database)) as store:
        studies = store.execute(_STUDIES).fetchall()
    for study in studies:
        files = _local(study[-1])
        if files is None or files.is_relative_to(database.parent):
            continue
        other, own = files.parent / database.name, database.parent / files.name
        # Copied: the original store exists. Moved: the files exist only beside this database.
        if study in _studies(other) or (not files.exists() and own.exists()):
            return files.parent
    return None


def rewrite(database: Path) -> list[Path]:
    """Rewrite the places of a store that was copied or moved, and return the folders that it came from.

    Raises:
        GlrError: the files were not copied or moved with the store.
    """
    origins: list[Path] = []
    while (old := origin(database)) is not None and old not in origins:
        new = database.parent
        with closing(sqlite3.connect(database)) as store, store:
            for (location,) in store.execute("SELECT artifact_location FROM experiments WHERE name != 'Default'"):
                files = _local(location)
                if files and files.is_relative_to(old) and not (new / files.relative_to(old)).exists():
                    raise GlrError(f"copy {files} to {new / files.relative_to(old)} first: the runs keep files in it")
            changes = {(old.as_uri(), new.as_uri()), (f"file://{old}", new.as_uri()), (str(old), str(new))}
            for table, column in _COLUMNS:
                for before, after in changes:
                    store.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                        (f"{after}/", len(before) + 2, len(before) + 1, f"{before}/"),
                    )
        origins.append(old)
    return origins


def _opened(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)


def _studies(database: Path) -> list[tuple[object, ...]]:
    try:
        with closing(_opened(database)) as store:
            return store.execute(_STUDIES).fetchall()
    except sqlite3.Error:
        return []  # the database does not exist, or is no store


def _local(location: str | None) -> Path | None:
    """The folder that a location of MLflow names, if it is on this machine."""
    if location is None:
        return None
    parts = urlsplit(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(location) if location.startswith("/") else None
