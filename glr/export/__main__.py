"""`python -m glr.export`: write a run or an ensemble as a SavedModel and a submission.zip."""

from omegaconf import DictConfig

from glr.config.command import command
from glr.config.printing import say
from glr.ensemble.settings import check_given
from glr.errors import GlrError


@command("export")
def main(config: DictConfig) -> None:
    """Write the model, try it in a fresh process, and print the result."""
    if (config.run is None) == (not config.members):
        raise GlrError("give run=NAME (or its id), or members=[...]: one of them")
    check_given(config.members, config.weights)
    from glr.devices.startup import import_tensorflow

    import_tensorflow()
    from glr.ensemble.members import named
    from glr.export.job import export

    runs = named(config.tracking.uri, config.study, [config.run] if config.run else list(config.members))
    done = export(config, runs)
    say(f"{done.output}: saved_model/, submission.zip, model_card.md")
    print(f"dimension {done.dimension:,}{_limit(config.limits.dimension)}")
    print(f"submission.zip {done.megabytes:,.1f} MB{_limit(config.limits.megabytes)}")
    if done.difference is not None:
        print(
            f"checked in a fresh process on {done.images} queries: "
            f"largest difference from {done.reference} {done.difference:.1e}"
        )


def _limit(limit: float | None) -> str:
    return "" if limit is None else f" (limit {limit:,g})"


if __name__ == "__main__":
    main()
