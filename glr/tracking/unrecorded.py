"""A run that another worker records: takes what a run takes, and keeps nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from glr.tracking.journal import Entry
from glr.tracking.run import Recorder


class Unrecorded(Recorder):
    """Stands in for a `Run` on every worker but the chief."""

    id = None
    complete = False
    pages = "at the chief's"

    def record(self, entry: Entry) -> None:
        """Nothing."""

    def metrics_so_far(self) -> list[Entry]:
        """None."""
        return []

    def config(self, config: DictConfig, choices: Mapping[str, Any]) -> None:
        """Nothing."""

    def file(self, path: Path, folder: str | None = None) -> None:
        """Nothing."""

    def text(self, content: str, name: str) -> None:
        """Nothing."""
