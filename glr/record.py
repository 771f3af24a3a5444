"""`python -m glr.record`: scores that came from outside, into MLflow."""

from omegaconf import DictConfig

from glr.config.command import command
from glr.errors import GlrError


@command("record")
def main(config: DictConfig) -> None:
    """Record a published study's leaderboard, or what a leaderboard said of one run."""
    given = [key for key in ("run", "public", "private") if config[key] is not None]
    if (config.study is None) == (config.run is None) or (config.study is not None and given):
        raise GlrError("give either study=NAME, or run=ID_OR_NAME with public=SCORE and private=SCORE")
    if config.run is not None and len(given) < 3:
        raise GlrError("run needs both scores: public=SCORE private=SCORE")
    from glr.tracking.leaderboard import record_run, record_study
    from glr.tracking.store import connect

    client = connect(config.tracking.uri)
    if config.study is not None:
        rows, written = record_study(client, config.study, config.tracking.artifacts)
        new = f"{written} of them new or changed" if written else "nothing changed"
        print(f"study {config.study}: {rows} rows in {config.tracking.uri}, {new}")
    else:
        run = record_run(client, config.run, public=config.public, private=config.private)
        print(f"run {run.name} ({run.id}): leaderboard {config.public} public, {config.private} private")


if __name__ == "__main__":
    main()
