"""`python -m glr.record`: scores that came from outside, into MLflow."""

from omegaconf import DictConfig

from glr.config.command import command
from glr.errors import GlrError


@command("record")
def main(config: DictConfig) -> None:
    """Record a published study's leaderboard, or what a leaderboard said of one run."""
    study, run, scores = config.study, config.run, [config.public, config.private]
    whole = study is not None and run is None and scores == [None, None]
    single = study is None and run is not None and None not in scores
    if not (whole or single):
        raise GlrError("give either study=NAME, or run=ID_OR_NAME with public=SCORE and private=SCORE")
    from glr.tracking.leaderboard import record_run, record_study
    from glr.tracking.store import connect

    client = connect(config.tracking.uri)
    if study is not None:
        rows, written = record_study(client, study, config.tracking.artifacts)
        new = f"{written} of them new or changed" if written else "nothing changed"
        print(f"study {study}: {rows} rows in {config.tracking.uri}, {new}")
    elif run is not None:
        found = record_run(client, run, public=config.public, private=config.private)
        print(f"run {found.name} ({found.id}): leaderboard {config.public} public, {config.private} private")


if __name__ == "__main__":
    main()
