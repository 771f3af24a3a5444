"""Record scores from a leaderboard, for a whole published study or for one run."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml
from mlflow import MlflowClient
from omegaconf import DictConfig, OmegaConf

from glr.config.check import composed
from glr.config.installation import SWEEPS
from glr.errors import GlrError
from glr.tracking.history import PastRun, find, runs_of
from glr.tracking.recorder import DirectRun
from glr.tracking.store import experiment
from glr.tracking.writer import RunWriter

_RECORDED = "recorded"  # the tag that names the leaderboard's row of a run
_DIGEST = "recorded.digest"


@dataclass(frozen=True)
class _PublishedRow:
    """A row of a published study: a single model (its experiment) or an ensemble (its members)."""

    name: str
    kind: str  # train or ensemble
    scores: dict[str, float]  # empty: the run failed
    source: str
    overrides: list[str] = field(default_factory=list)
    params: dict[str, object] = field(default_factory=dict)


def record_study(client: MlflowClient, study: str, artifacts: str | None) -> tuple[int, int]:
    """Write every row of sweeps/<study>/leaderboard.yaml into MLflow, as a run with its experiment's full parameters.

    A run that already has the row's parameters and scores stays; a run that differs is replaced.

    Args:
        client: the store's client.
        study: name of the study and of the MLflow experiment.
        artifacts: folder for the files of a new MLflow experiment; None: the server decides.

    Returns:
        The number of rows, and the number of rows that this call wrote.

    Raises:
        GlrError: there is no such study, or a row is wrong.
    """
    rows = list(_rows(study))
    target = experiment(client, study, artifacts)
    recorded = {run.tags[_RECORDED]: run for run in runs_of(client, [study]) if _RECORDED in run.tags}
    written = 0
    for row in rows:
        settings = composed("train", [*row.overrides, f"study={study}"]) if row.kind == "train" else None
        digest = _digest(row, settings)
        old = recorded.get(row.name)
        if old is not None and old.tags.get(_DIGEST) == digest:
            continue
        if old is not None:
            client.delete_run(old.id)
        tags = {"kind": row.kind, "source": row.source, _RECORDED: row.name}
        created = client.create_run(target, tags=tags, run_name=row.name)
        run_id = created.info.run_id
        run = DirectRun(RunWriter(client, run_id, fresh=True))
        if settings is not None:
            run.config(*settings)
        run.params(row.params)
        if row.scores:
            run.metrics({f"leaderboard/{usage}": score for usage, score in row.scores.items()}, 0)
        # Write the digest last: if this call is interrupted earlier, the next call writes the row again.
        run.tags({_DIGEST: digest})
        client.set_terminated(run_id, "FINISHED" if row.scores else "FAILED")
        written += 1
    return len(rows), written


def record_run(client: MlflowClient, name: str, *, public: float, private: float) -> PastRun:
    """Write a run's scores on a leaderboard, as its metrics `leaderboard/public` and `leaderboard/private`.

    Raises:
        GlrError: there is no such run, or several runs have the name.
    """
    run = find(client, name)
    scores = {"leaderboard/public": public, "leaderboard/private": private}
    DirectRun(RunWriter(client, run.id, fresh=True)).metrics(scores, 0)  # fresh: a corrected score replaces the old one
    return run


def _rows(study: str) -> Iterator[_PublishedRow]:
    file = SWEEPS / study / "leaderboard.yaml"
    if not file.is_file():
        known = ", ".join(sorted(f.parent.name for f in SWEEPS.glob("*/leaderboard.yaml")))
        raise GlrError(f"study={study}: {file} does not exist; recorded studies: {known}")
    content = yaml.safe_load(file.read_text())
    source = content["source"]
    for name, scores in content["singles"].items():
        yield _PublishedRow(name, "train", _scores(scores, file, name), source, [f"experiment={study}/{name}"])
    for index, ensemble in enumerate(content["ensembles"], start=1):
        members = ensemble.pop("members")
        name = "+".join(f"({member})" for member in members)
        params = {"index": index, "members": members}
        yield _PublishedRow(name, "ensemble", _scores(ensemble, file, name), source, params=params)


def _scores(scores: object, file: Path, name: str) -> dict[str, float]:
    if scores == "failed":
        return {}
    if not isinstance(scores, dict) or set(scores) != {"public", "private"}:
        raise GlrError(f"{file}: {name}: expected {{public: NUMBER, private: NUMBER}} or failed")
    return {usage: float(score) for usage, score in scores.items()}


def _digest(row: _PublishedRow, settings: tuple[DictConfig, dict[str, str]] | None) -> str:
    content = asdict(row)
    if settings is not None:
        config = OmegaConf.to_container(settings[0], resolve=True, enum_to_str=True)
        assert isinstance(config, dict)
        content["config"] = {key: value for key, value in config.items() if key != "tracking"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
