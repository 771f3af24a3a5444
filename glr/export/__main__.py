"""`python -m glr.export`: write a run or an ensemble as a SavedModel and a submission.zip, or in other formats."""

from typing import TYPE_CHECKING

from omegaconf import DictConfig

from glr.config.command import command
from glr.config.printing import say
from glr.ensemble.settings import check_given
from glr.errors import GlrError

if TYPE_CHECKING:
    from glr.export.export import Export, Written


@command("export")
def main(config: DictConfig) -> "Export":
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
    say(f"{done.output}: {', '.join(done.files)}")
    print(f"dimension {done.dimension:,}{_limit(config.limits.dimension)}")
    if done.megabytes is not None:
        print(f"submission.zip {done.megabytes:,.1f} MB{_limit(config.limits.megabytes)}")
    if done.difference is not None:
        print(
            f"checked in a fresh process on {done.images} queries: "
            f"largest difference from {done.reference} {done.difference:.1e}"
        )
    for each in done.written:
        print(f"{each.file} {each.megabytes:,.1f} MB{_compared(each, done.images)}")
        if each.cost is not None:
            print(f"{each.file}: {each.cost}")
    if done.registered is not None:
        name, version = done.registered
        say(f"registered as version {version} of {name}: mlflow.pyfunc.load_model('models:/{name}/{version}')")
    return done


def _compared(written: "Written", images: int) -> str:
    if written.difference is None:
        return ""
    return (
        f", in {written.runtime} on {images} queries: largest difference from the SavedModel {written.difference:.1e}"
    )


def _limit(limit: float | None) -> str:
    return "" if limit is None else f" (limit {limit:,g})"


if __name__ == "__main__":
    main()
