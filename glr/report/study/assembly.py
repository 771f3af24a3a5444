"""A study's page with what MLflow and this machine have of its runs: curves by epoch, links, and pictures."""

from collections.abc import Mapping

import pyarrow as pa

from glr.errors import GlrError
from glr.report.study.album import Album, album_of
from glr.report.study.analysis import Analysis
from glr.report.study.page import page
from glr.report.study.showing import first_runs
from glr.tracking.history import addresses, curves
from glr.tracking.store import connect

_LOSS = "loss"


def assembled(uri: str, analysis: Analysis, outcomes: Mapping[str, pa.Table]) -> str:
    """Return a study's report as an HTML page.

    Args:
        uri: address of the MLflow store that holds the runs.
        analysis: what the runs say.
        outcomes: the outcomes of queries of the runs that stored them, by id.

    Raises:
        GlrError: the store cannot be opened.
    """
    client = connect(uri)
    runs = [run for row in analysis.rows for run in row.configuration.runs]
    histories = {metric: curves(client, runs, metric) for metric in (analysis.metric, _LOSS)}
    return page(
        analysis, outcomes, histories=histories, links=addresses(client, runs), album=_album(analysis, outcomes)
    )


def _album(analysis: Analysis, outcomes: Mapping[str, pa.Table]) -> Album | None:
    """Open the set that the compared runs were scored on; None: it is not at hand."""
    pair = first_runs(analysis, outcomes)
    if pair is None:
        return None
    try:
        return album_of(pair[1][0])
    except (GlrError, OSError):
        return None  # the page says so
