"""`python -m glr.record` as users run it; `tests/tracking/test_sender.py` sends what waits in a journal."""

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import here


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("run=09_xception public=0.5", "give study=NAME, or run=ID_OR_NAME with public=SCORE and private=SCORE, or "),
        ("study=published run=a", "give study=NAME, or run"),
        ("run=nobody public=0.5 private=0.4", "there is no run with the id or the name nobody"),
        ("study=publishd", "study=publishd: "),
        ("run=a public=high private=0.4", "public=high: expected a number"),
    ],
)
def test_record_says_what_is_wrong(recorded: Path, line: str, sentence: str):
    printed = here("record", *line.split(), cwd=recorded)
    assert printed.startswith(f"error: {sentence}")
    assert len(printed.splitlines()) == 1


def test_a_leaderboards_word_on_ones_own_run(recorded: Path, tmp_path: Path):
    shutil.copytree(recorded / "mlruns", tmp_path / "mlruns")
    assert here("record", "store=moved", cwd=tmp_path).endswith(f"; they were in {recorded}/mlruns\n")
    printed = here("record", "run=09_xception", "public=0.5", "private=0.4", cwd=tmp_path)
    assert re.fullmatch(r"run 09_xception \([0-9a-f]{32}\): leaderboard 0\.5 public, 0\.4 private\n", printed)
    rows = here("compare", "output=-", cwd=tmp_path).splitlines()
    assert any(row.startswith("|9|") and row.endswith("|0.50000|0.40000|") for row in rows)
