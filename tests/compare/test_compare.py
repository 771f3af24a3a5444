"""`compare` as users run it, on a real store: the study's tables, and the README's freshness."""

import json
import re
import shutil
from pathlib import Path

import pytest

from glr.compare.document import BEGIN, END
from tests.config.test_command import ROOT
from tests.config.test_command import glr as glr_alone
from tests.conftest import here
from tests.processes.forks import Forks

PAGE = Path(__file__).parent / "published_tables.md"


def table_rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|--")]


def test_the_studys_tables_cell_for_cell_without_tensorflow(recorded: Path):
    done = glr_alone("output=-", command="compare", cwd=recorded, PYTHONPROFILEIMPORTTIME="1")
    assert table_rows(done.stdout) == table_rows(PAGE.read_text())
    headings = [
        [line for line in text.splitlines() if line.startswith("#")] for text in (done.stdout, PAGE.read_text())
    ]
    assert headings[0] == headings[1]
    assert all(line.startswith("import time:") for line in done.stderr.splitlines())
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "mlflow" in imported
    assert not {"tensorflow", "keras"} & imported


def test_the_readme_holds_them(recorded: Path):
    shutil.copy(ROOT / "README.md", recorded)
    assert here("compare", "check=true", cwd=recorded) == "README.md is up to date\n"


def test_the_documentations_script_draws_every_model_that_has_a_score(recorded: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(recorded)
    here("compare", "format=json", "output=study.json", cwd=recorded)
    names: dict = {}
    (script,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/commands/compare.md").read_text(), re.S)
    exec(script, names)
    drawn = [x for marks in names["axes"].collections[1:] for x, _ in marks.get_offsets()]
    scores = {row["index"]: names["score"](row) for row in names["rows"] if row["kind"] == "train"}
    assert len(drawn) == 16 + 1 + 5  # a model diverged, another was trained on, and the ensembles
    assert scores[15] == 0.24278
    assert 0.24278 in drawn
    assert (recorded / "study.png").stat().st_size > 10_000


def test_a_stale_readme_is_shown_and_mended(processes: Forks, recorded: Path):
    readme = recorded / "README.md"
    readme.write_text(f"# Mine\n{BEGIN}\n{END}\nkept\n")
    here("compare", cwd=recorded)
    fresh = readme.read_text()
    assert fresh.startswith(f"# Mine\n{BEGIN}\n")
    assert fresh.endswith(f"\n{END}\nkept\n")
    readme.write_text(fresh.replace("0.27472", "0.37472"))
    stale = processes.output("check=true", command="compare", cwd=recorded)
    assert stale.returncode == 1
    assert stale.stderr == "error: README.md is stale; the same command without check=true writes it again\n"
    lines = stale.stdout.splitlines()
    assert any(line.startswith("-|15|") and "0.37472" in line for line in lines)
    assert any(line.startswith("+|15|") and "0.27472" in line for line in lines)
    assert here("compare", cwd=recorded) == "README.md written\n"
    assert readme.read_text() == fresh
    assert here("compare", cwd=recorded) == "README.md is up to date\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "study=nobody",
            "study=nobody: sqlite:///{folder}/mlruns/mlflow.db has no such study (it has pub",
        ),
        ("study=3", "study=3: expected the name of a study"),
        ("format=markdwn", "format=markdwn: expected one of markdown, csv, json, html"),
        ("check=true output=-", "check=true compares with a file"),
        ("compare.highlight=99 output=-", "compare.highlight=99: no run with this index"),
        ("compare.metric=gap output=-", "compare.metric=gap: no run has this metric"),
        ("where={heat:arcface} output=-", "where=heat: no run has such a parameter or tag; did you mean head?"),
        (
            "where={head:softer} output=-",
            "study=published: no training run or ensemble matches where=",
        ),
        ("compare.decimals=-1", "compare.decimals=-1: expected at least 0"),
    ],
)
def test_compare_says_what_is_wrong(recorded: Path, line: str, sentence: str):
    output = here("compare", *line.split(), cwd=recorded)
    assert output.startswith(f"error: {sentence.replace('{folder}', str(recorded))}")
    assert len(output.splitlines()) == 1


def test_options(recorded: Path):
    by_score = table_rows(here("compare", "output=-", "compare.order=score", "compare.decimals=3", cwd=recorded))
    assert [row.split("|")[1] for row in by_score[1:4]] == ["15", "17", "9"]
    assert by_score[1].endswith("|0.275|0.243|")
    assert by_score[17].split("|")[1] == "12"  # the failed one is last
    some = table_rows(here("compare", "output=-", "where={head: arcface, train.epochs: 20}", cwd=recorded))
    assert [row.split("|")[1] for row in some] == ["Index", "12", "Index", "12"]
    content = json.loads(here("compare", "format=json", cwd=recorded))
    assert len(content["rows"]) == 23
    scores = [row["metrics"]["leaderboard/private"]["value"] for row in content["rows"] if row["index"] == 6]
    assert scores == [0.18334, 0.21378]
    assert here("compare", "format=csv", "output=tables.csv", cwd=recorded) == "tables.csv written\n"
    assert len((recorded / "tables.csv").read_text().splitlines()) == 24
    previous = here("compare", "output=-", "compare.highlight=previous", cwd=recorded)
    assert "|3|ResNet101V2 + GeM + AdaCos(Fixed)|" in previous
    assert "**lr = 0.00001->0.0004->0.00001**|0.24315|" in previous
