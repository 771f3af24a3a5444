"""Text from a store or a file neither steers the terminal that shows it nor runs in a spreadsheet."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from glr.compare.records import of_runs
from glr.compare.rendering import markdown
from glr.compare.table import tables
from glr.config.printing import printable
from glr.config.records import as_csv, as_json
from glr.tracking.rows import single_models
from tests.conftest import here

STEERING = {
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[1;1H",
    "colour": "\x1b[31mFAILED",
    "CSI of 8 bits": "\x9b31m",
    "delete": "safe\x7f\x7f\x7f\x7f",
    "backspace": "safe\x08\x08\x08\x08evil",
    "overwrite": "safe\revil",
    "reordered": "\u202elive\u202c",
    "null": "a\0b",
    "no UTF-8": "\udcff",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")
FORMULAS = [
    "=1+1",
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1)",
    " =1",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    '=HYPERLINK("x")',
]


def rows(past: Callable, text: str) -> list:
    return single_models([past(text, 0.1, 0.1, head__label=text, optimizer__label=text)], None)


def as_markdown(singles: list) -> str:
    return markdown(tables(singles, [], decimals=5, backbones=[]))


@pytest.mark.parametrize("write", [as_markdown, lambda singles: as_csv(of_runs(singles, []))])
@pytest.mark.parametrize("text", STEERING.values(), ids=STEERING)
def test_tables(past: Callable, text: str, write: Callable[[list], str]):
    assert not CONTROL.search(write(rows(past, text)))


@pytest.mark.parametrize("name", ["CSI of 8 bits", "delete", "reordered", "no UTF-8"])
def test_what_json_itself_does_not_escape(past: Callable, name: str):
    written = as_json(of_runs(rows(past, STEERING[name]), []))
    assert not CONTROL.search(written)
    assert json.loads(written)[0]["head"] == STEERING[name]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_in_a_csv(past: Callable, text: str):
    (row,) = csv.DictReader(io.StringIO(as_csv(of_runs(rows(past, text), [])), newline=""))
    assert {row[name][0] for name in ("name", "head")} == {"'"}
    assert row["public_score"] == "0.1"
    (record,) = json.loads(as_json(of_runs(rows(past, text), [])))
    assert record["head"] == text


@pytest.mark.parametrize("text", [text for text in STEERING.values() if not {"\0", "\r"} & set(text)], ids=ascii)
def test_an_error_sentence(tmp_path: Path, text: str):
    output = here("score", f"'predictions={tmp_path}/{text}.csv'", "solution=x", cwd=tmp_path)
    assert output.startswith("error: ")
    assert printable(text) in output
    assert not CONTROL.search(output)


def test_what_commands_print(work: Path):
    client = MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db")
    run = client.create_run("0", run_name="\x1b[2Jevil")
    client.set_tag(run.info.run_id, "kind", "train")
    output = here("record", f"run={run.info.run_id}", "public=0.1", "private=0.1", cwd=work)
    assert output.startswith("run \\x1b[2Jevil (")


def test_readable_text_stays():
    text = "Old Town/caf\u00e9 \u6771\u4eac \U0001f3db\ufe0f\ttab\r\nline\n"
    assert printable(text) == text
