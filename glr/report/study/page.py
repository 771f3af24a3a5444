"""A study's report as an HTML page: one file, without addresses; its only script sorts the table."""

import base64
import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa

from glr.config.printing import counted
from glr.html.palette import RIGHT, SERIES, WRONG, css
from glr.html.template import template
from glr.html.thumbnail import parts
from glr.report.study.album import Album
from glr.report.study.analysis import Analysis, Metric
from glr.report.study.answer import answer
from glr.report.study.drawing import shortened
from glr.report.study.figures import Curve
from glr.report.study.plotted import plotted
from glr.report.study.showing import shown
from glr.report.study.table import all_metrics, interaction_tables, main_table, run_table
from glr.report.study.words import metric_words, queries_in_words

_MARKS = {True: ("right", "✓"), False: ("wrong", "✗"), None: ("unknown", "?")}
_LONGEST = 17  # of an id below a picture
_SCRIPT = Path(__file__).with_name("sort.js").read_text(encoding="utf-8")


def page(
    analysis: Analysis,
    outcomes: Mapping[str, pa.Table],
    *,
    histories: Mapping[Metric, Mapping[str, Curve]] | None = None,
    links: Mapping[str, str] | None = None,
    album: Album | None = None,
) -> str:
    """Return a study's report as an HTML page.

    Args:
        analysis: what the study's runs say.
        outcomes: the outcomes of queries (`glr.retrieval.outcomes.SCHEMA`) of the runs that stored them, by id.
        histories: for each metric to draw by epoch, the (epoch, value) of the runs, by id.
        links: addresses of the runs in MLflow, by id.
        album: the pictures of the queries and of the index; None: ids stand in their place.
    """
    links = links or {}
    return template(__file__).render(
        title=f"Study {analysis.study}",
        answer=answer(analysis),
        facts=_facts(analysis),
        table=main_table(analysis),
        metrics=all_metrics(analysis),
        interactions=interaction_tables(analysis.interactions, analysis.metric),
        figures=plotted(analysis, outcomes, histories or {}),
        sides=shown(analysis, outcomes, album),
        metric=metric_words(analysis.metric),
        notes=analysis.notes,
        common=analysis.common,
        # A link from a store may be anything; only web pages are linked.
        runs=[{**run, "link": _web(links.get(run["id"], ""))} for run in run_table(analysis)],
        script=_SCRIPT,
        script_hash=base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode(),
        marks=_MARKS,
        right=css(RIGHT),
        wrong=css(WRONG),
        series=[[css(colour) for colour in pair] for pair in SERIES],
        parts=parts,
        short=partial(shortened, longest=_LONGEST),
        several_seeds=not analysis.one_seed,
    )


def _facts(analysis: Analysis) -> list[str]:
    """Say what was compared, on what, and what the intervals speak of."""
    runs = sum(len(row.configuration.finished) for row in analysis.rows)
    facts = [f"{counted(len(analysis.rows), 'configuration')}, {counted(runs, 'finished run')}"]
    if analysis.queries:
        facts.append(" and ".join(queries_in_words(analysis.queries)))
    facts.append(f"compared by {metric_words(analysis.metric)}")
    return facts


def _web(address: str) -> str:
    return address if address.startswith(("https://", "http://")) else ""
