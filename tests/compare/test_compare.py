"""`compare` as users run it, on a real store: the study's tables, and the README's freshness."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from glr.compare.document import BEGIN, END
from tests.config.test_command import ROOT
from tests.config.test_command import glr as glr_alone
from tests.processes.forks import Forks

PAGE = Path(__file__).parent / "published_tables.md"


Command = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="module")
def compare(processes: Forks) -> Command:
    """Runs `compare` in a folder."""
    return lambda folder, *arguments: processes.output(*arguments, command="compare", cwd=folder)


def table_rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|--")]


def test_the_studys_tables_cell_for_cell(compare: Command, recorded: Path):
    done = compare(recorded, "output=-")
    assert done.stderr == ""
    assert table_rows(done.stdout) == table_rows(PAGE.read_text())
    headings = [
        [line for line in text.splitlines() if line.startswith("#")] for text in (done.stdout, PAGE.read_text())
    ]
    assert headings[0] == headings[1]


def test_the_readme_holds_them(compare: Command, recorded: Path):
    shutil.copy(ROOT / "README.md", recorded)
    done = compare(recorded, "check=true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "README.md is fresh\n", "")


def test_a_stale_readme_is_shown_and_mended(compare: Command, recorded: Path):
    readme = recorded / "README.md"
    readme.write_text(f"# Mine\n{BEGIN}\n{END}\nkept\n")
    compare(recorded)
    fresh = readme.read_text()
    assert fresh.startswith(f"# Mine\n{BEGIN}\n")
    assert fresh.endswith(f"\n{END}\nkept\n")
    readme.write_text(fresh.replace("0.27472", "0.37472"))
    stale = compare(recorded, "check=true")
    assert stale.returncode == 1
    assert stale.stderr == "error: README.md is stale; the same command without check=true writes it anew\n"
    lines = stale.stdout.splitlines()
    assert any(line.startswith("-|15|") and "0.37472" in line for line in lines)
    assert any(line.startswith("+|15|") and "0.27472" in line for line in lines)
    assert compare(recorded).stdout == "README.md written\n"
    assert readme.read_text() == fresh
    assert compare(recorded).stdout == "README.md is fresh\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "study=nobody",
            "study=nobody: there is no such study in sqlite:///mlruns/mlflow.db; those there: Default, pub",
        ),
        ("study=3", "study=3: expected the name of a study"),
        ("format=markdwn", "format=markdwn: expected one of markdown, csv, json, html"),
        ("check=true output=-", "check=true compares with a file"),
        ("compare.highlight=99 output=-", "compare.highlight=99: no run with this index"),
        ("compare.score=gap output=-", "compare.score=gap: no run has this metric"),
        ("where={heat:arcface} output=-", "where=heat: no run has such a parameter or tag; did you mean head?"),
        ("compare.decimals=-1", "compare.decimals=-1: expected at least 0"),
    ],
)
def test_compare_says_what_is_wrong(compare: Command, recorded: Path, line: str, sentence: str):
    done = compare(recorded, *line.split())
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {sentence}")
    assert len(done.stderr.splitlines()) == 1


def test_options(compare: Command, recorded: Path):
    by_score = table_rows(compare(recorded, "output=-", "compare.order=score", "compare.decimals=3").stdout)
    assert [row.split("|")[1] for row in by_score[1:4]] == ["15", "17", "9"]
    assert by_score[1].endswith("|0.275|0.243|")
    assert by_score[17].split("|")[1] == "12"  # the failed one is last
    some = table_rows(compare(recorded, "output=-", "where={head: arcface, train.epochs: 20}").stdout)
    assert [row.split("|")[1] for row in some] == ["Index", "12", "Index", "12"]
    content = json.loads(compare(recorded, "format=json").stdout)
    assert len(content) == 23
    assert [row["private_score"] for row in content if row["index"] == 6] == [0.18334, 0.21378]
    done = compare(recorded, "format=csv", "output=tables.csv")
    assert done.stdout == "tables.csv written\n"
    assert len((recorded / "tables.csv").read_text().splitlines()) == 24
    previous = compare(recorded, "output=-", "compare.highlight=previous").stdout
    assert "|3|ResNet101V2 + GeM + AdaCos(Fixed)|" in previous
    assert "**lr = 0.00001->0.0004->0.00001**|0.24315|" in previous


def test_tensorflow_is_not_imported(recorded: Path):
    done = glr_alone("output=-", command="compare", cwd=recorded, PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "mlflow" in imported
    assert not {"tensorflow", "keras"} & imported
