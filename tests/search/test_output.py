"""Hits as a page, a table and JSON: what is written is what was found."""

import csv
import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from glr.config.values import HitsFormat
from glr.retrieval.hits import Hit, Hits, Results
from glr.search.output import written

RESULTS = Results([Hits("q.png", None, [Hit("=a.png", 0.75, "photos/=a.png"), Hit("<b>.png", 0.5, "")]) for _ in "xyz"])


def write(form: str, output: str | None, shown: int = 2) -> str | None:
    settings = {"index": "photos", "format": HitsFormat[form], "output": output, "shown": shown}
    return written(RESULTS, OmegaConf.create(settings), "model")


def test_a_table(tmp_path: Path):
    write("csv", str(tmp_path / "hits.csv"))
    rows = list(csv.DictReader((tmp_path / "hits.csv").read_text().splitlines()))
    assert [(row["query"], row["rank"], row["score"]) for row in rows] == [
        ("q.png", "1", "0.75"),
        ("q.png", "2", "0.5"),
    ] * 3
    assert rows[0]["id"] == "'=a.png"  # no formula of a spreadsheet
    assert rows[1]["id"] == "<b>.png"


@pytest.mark.parametrize("output", [None, "-"])
def test_json_on_the_terminal(output: str | None, capsys: pytest.CaptureFixture[str]):
    assert write("json", output) is None
    content = json.loads(capsys.readouterr().out)
    assert (content["model"], content["index"], len(content["queries"])) == ("model", "photos", 3)
    assert content["queries"][0]["hits"][0] == {"id": "=a.png", "score": 0.75, "path": "photos/=a.png"}


def test_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert write("html", None) == "search.html"
    page = (tmp_path / "search.html").read_text()
    assert page.count("<article>") == 2
    assert "1 more query is not shown." in page
    assert "<title>photos: 3 queries, by model</title>" in page
    assert "<b>.png" not in page
    assert "script-src" not in page
    assert "default-src" in page
