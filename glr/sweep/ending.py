"""The report at a sweep's end: the study's answer on the terminal, its page and its table with the sweep's run."""

import json
import shlex
import sys
from pathlib import Path

from glr import storage
from glr.config.grammar import in_grammar
from glr.config.printing import say
from glr.config.schema import Tracking
from glr.config.secrets import redacted
from glr.errors import in_words
from glr.report.study.analysis import Analysis, analyse
from glr.report.study.answer import answer
from glr.report.study.assembly import assembled
from glr.report.study.configurations import configurations
from glr.report.study.stored import outcomes_of
from glr.report.study.table import main_table
from glr.tracking.history import runs_of
from glr.tracking.recorder import Recorder
from glr.tracking.store import connect

PAGE, TABLE = "report.html", "configurations.json"


def report(run: Recorder, tracking: Tracking, study: str, folder: Path) -> str:
    """Compare a study's finished runs; print the answer, and store page, table and answer with the sweep's run.

    A study of one run has nothing to compare. A report that fails ends no sweep: one line says why it is missing.

    Args:
        run: the sweep's run.
        tracking: where the study is recorded.
        study: its name.
        folder: the sweep's folder; the page is written there, too.

    Returns:
        The answer; empty if there is no report.
    """
    try:
        analysis, page = _compared(tracking.uri, study)
        if analysis is None or not any(row.scores for row in analysis.rows):
            return ""
        folder.mkdir(parents=True, exist_ok=True)
        storage.write(folder / PAGE, page.encode(errors="replace"), overwrite=True)
        run.file(folder / PAGE)
        run.text(_as_json(analysis), TABLE)
        # MLflow shows the tables that this tag lists beside each other when runs are compared.
        listed = json.dumps([{"path": TABLE, "type": "table"}])
        run.tags({"answer": (sentence := answer(analysis)), "mlflow.loggedArtifacts": listed})
        say(f"\n{sentence}\nreport: {folder / PAGE}")
        return sentence
    except Exception as error:
        again = shlex.join(
            ["python", "-m", "glr.compare", f"study={in_grammar(study)}", "format=html", f"output={PAGE}"]
        )
        say(f"the study has no report ({redacted(in_words(error))}); {again} tries again", file=sys.stderr)
        return ""


def _compared(uri: str, study: str) -> tuple[Analysis | None, str]:
    """Return the analysis and the page of a study; None: it has no two finished runs."""
    rows = configurations(runs_of(connect(uri), [study]))
    finished = [run for row in rows for run in row.finished]
    if len(finished) < 2:
        return None, ""
    outcomes = outcomes_of(finished, compute=False)
    analysis = analyse(study, rows, outcomes, notes=outcomes.notes)
    return analysis, assembled(uri, analysis, outcomes)


def _as_json(analysis: Analysis) -> str:
    """Return the table as `mlflow.log_table` writes one."""
    table = main_table(analysis)
    data = [[" ".join([cell.text, *cell.notes]) for cell in row] for row in table.rows]
    return json.dumps({"columns": list(table.columns), "data": data})
