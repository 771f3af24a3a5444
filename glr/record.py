"""`python -m glr.record`: write leaderboard scores, or records that were not sent, to MLflow; repair a moved store."""

from pathlib import Path

from omegaconf import DictConfig

from glr.config.command import command
from glr.config.printing import counted, say
from glr.config.secrets import redacted
from glr.errors import GlrError


@command("record")
def main(config: DictConfig) -> None:
    """Record a published study's leaderboard, a run's leaderboard scores or unsent records; or repair a moved store."""
    study, run, scores = config.study, config.run, [config.public, config.private]
    given = [key for key in ("study", "run", "journal", "store") if config[key] is not None]
    if len(given) != 1 or (None in scores if run is not None else scores != [None, None]):
        raise GlrError(
            "give study=NAME, or run=ID_OR_NAME with public=SCORE and private=SCORE, or journal=FOLDER, or store=moved"
        )
    if config.store is not None:
        _move(config.tracking.uri)
        return
    if config.journal is not None:
        _send(Path(config.journal), config.tracking.uri)
        return
    from glr.tracking.leaderboard import record_run, record_study
    from glr.tracking.store import connect

    client = connect(config.tracking.uri)
    if study is not None:
        rows, written = record_study(client, study, config.tracking.artifacts)
        new = f"{written} of them new or changed" if written else "nothing changed"
        say(f"study {study}: {rows} rows in {config.tracking.uri}, {new}")
    elif run is not None:
        past = record_run(client, run, public=config.public, private=config.private)
        say(f"run {past.name} ({past.id}): leaderboard {config.public} public, {config.private} private")


def _move(uri: str) -> None:
    from glr.tracking.store import moved

    origins = " and ".join(map(str, moved(uri)))
    say(f"the paths in {uri} are rewritten; they were in {origins}" if origins else f"the paths in {uri} are right")


def _send(folder: Path, uri: str) -> None:
    if not folder.is_dir():
        raise GlrError(f"journal={folder}: there is no such folder; runs keep their journals in tracking.journal")
    from glr.tracking.sender import send_left_behind

    sent, left = send_left_behind(folder, uri)
    say(f"{counted(sent, 'journal')} of {folder} sent to {redacted(uri)}")
    if left:
        raise GlrError(f"{counted(len(left), 'journal')} could not be sent: {'; '.join(left)}")


if __name__ == "__main__":
    main()
