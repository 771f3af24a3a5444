"""`python -m glr.search`: find the photos of a folder that are nearest to other images."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig

from glr import storage
from glr.config.command import command
from glr.config.printing import counted, say
from glr.data.photo import is_image
from glr.errors import GlrError
from glr.model.choice import check_model

if TYPE_CHECKING:
    from glr.retrieval.hits import Results
    from glr.retrieval.index import Index
    from glr.retrieval.trained import TrainedModel

_LINES = 5  # queries whose hits are printed


@command("search", printed=True)
def main(config: DictConfig) -> "Results":
    """Bring the index of a folder up to date, search it, and write the hits."""
    _check(config)
    from glr.devices.startup import import_tensorflow
    from glr.search.queries import query_files

    queries = query_files(config.queries, skip=config.on_bad_image.value == "skip")
    import_tensorflow()
    from glr.retrieval.trained import opened
    from glr.search.output import written

    model = opened(config)
    results = _index(config, model).search(queries, config.k)
    if file := written(results, config, model.name):
        for hits in results[:_LINES]:
            say(f"{hits.query}: {', '.join(f'{hit.score:.3f} {hit.id}' for hit in hits[:3])}", file=sys.stderr)
        say(f"{counted(len(results), 'query', 'queries')} searched: look at {file}", file=sys.stderr)
    return results


def _check(config: DictConfig) -> None:
    """Refuse settings that are missing or contradict each other, and an output that cannot be written."""
    from glr.search.output import output_file

    check_model(config)
    for key, value in (("index", config.index), ("queries", config.queries)):
        if not value:
            raise GlrError(f"give {key}=, such as index=photos queries=photo.jpg")
    if not storage.is_bucket(config.index) and not Path(config.index).is_dir():
        raise GlrError(f"index={config.index}: there is no such folder")
    if not isinstance(config.queries, str | ListConfig):
        raise GlrError("queries: expected an image, a folder of images, or a list of them")
    if config.output and is_image(config.output):
        raise GlrError(f"output={config.output}: hits are no image; name a .html, .csv or .json file")
    if file := output_file(config):
        storage.check_writable(file)


def _index(config: DictConfig, model: "TrainedModel") -> "Index":
    """Open a stored index, or bring the kept index of a folder of photos up to date."""
    from glr.retrieval import index_files
    from glr.retrieval.index import Index
    from glr.search.keeping import kept

    if not storage.is_bucket(config.index) and index_files.exists(Path(config.index)):
        _refuse_unused(config.index)
        index = Index.open(config.index, model)
        say(
            f"{config.index}: an index of {counted(len(index), 'image')} of {index.settings.folder}, searched as it "
            "is, without pictures (index=FOLDER_OF_PHOTOS shows them)",
            file=sys.stderr,
        )
        return index
    index = kept(model, config.index, Path(config.cache), dtype=config.descriptors.value)
    changes = index.update(on_bad_image=config.on_bad_image.value, parallelism=config.parallelism)
    done = [f"{changes.described:,} described" if changes.described else "nothing to describe"]
    done += [f"{changes.removed:,} removed"] * bool(changes.removed) + [f"{changes.kept:,} known"] * bool(changes.kept)
    say(
        f"{config.index}: {counted(len(index), 'image')}, {', '.join(done)}; the index is {index.path}", file=sys.stderr
    )
    for path, reason in changes.unreadable.items():
        say(f"left out {storage.join(config.index, path)}: {reason}", file=sys.stderr)
    return index


def _refuse_unused(index: str) -> None:
    """Refuse settings of the command line that a stored index does not use."""
    for override in HydraConfig.get().overrides.task:
        if (key := override.lstrip("+").partition("=")[0]) in ("descriptors", "cache"):
            raise GlrError(f"{key}: {index} is a stored index, which is searched as it is; leave {key} out")


if __name__ == "__main__":
    main()
