"""A run's own index and queries as folders of files, with their solutions."""

from pathlib import Path


def of_pair(folder: Path) -> list[str]:
    settings = [f"index={folder}/index", f"queries={folder}/queries", f"index_classes={folder}/index.csv"]
    return settings + [f"{task}_solution={folder}/{task}_solution.csv" for task in ("retrieval", "recognition")]
