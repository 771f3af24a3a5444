"""Write hits as a page, a table or JSON."""

from typing import TYPE_CHECKING

from markupsafe import Markup
from omegaconf import DictConfig

from glr import storage
from glr.config.printing import counted
from glr.config.records import as_csv, as_json
from glr.html.palette import RIGHT, WRONG, css
from glr.html.template import template

if TYPE_CHECKING:
    from glr.retrieval.hits import Results

_PAGE = "search.html"


def written(results: "Results", config: DictConfig, model: str) -> str | None:
    """Write hits in the config's `format` to its `output`; return the file, or None if they were printed.

    Args:
        results: the hits.
        config: the command's settings.
        model: the model's name.

    Raises:
        GlrError: the file cannot be written.
    """
    text = {"html": _page, "csv": _csv, "json": _json}[config.format.value](results, config, model)
    file = output_file(config)
    if file is None:
        print(text, end="")
        return None
    storage.write(file, text.encode(errors="replace"), overwrite=True)
    return file


def output_file(config: DictConfig) -> str | None:
    """The file that a command line asks for; None: the hits are printed."""
    file = config.output or (_PAGE if config.format.value == "html" else "-")
    return None if file == "-" else file


def _page(results: "Results", config: DictConfig, model: str) -> str:
    title = f"{config.index}: {counted(len(results), 'query', 'queries')}, by {model}"
    look = {"right": css(RIGHT), "wrong": css(WRONG)}
    return template(__file__).render(title=title, hits=Markup(results.html(config.shown)), **look)


def _csv(results: "Results", config: DictConfig, model: str) -> str:  # noqa: ARG001
    return as_csv(
        {"query": hits.query, "rank": rank, **hit._asdict()} for hits in results for rank, hit in enumerate(hits, 1)
    )


def _json(results: "Results", config: DictConfig, model: str) -> str:
    queries = [{"query": hits.query, "hits": [hit._asdict() for hit in hits]} for hits in results]
    return as_json({"model": model, "index": config.index, "queries": queries})
