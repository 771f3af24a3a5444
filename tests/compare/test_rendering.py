"""What a run's parameters hold stays text in its cell, in every format."""

import csv
import io
import json
import re

import pytest

from glr.compare.records import of_runs
from glr.compare.rendering import escaped, markdown
from glr.compare.table import tables
from glr.config.records import as_csv, as_json
from glr.tracking.rows import single_models

HOSTILE = [
    "a|b",
    "`code`",
    "two\nlines\r\nand\ttab",
    "<script>alert(1)</script>",
    "**bold** *i* _u_ __d__ ~~s~~ ~t~",
    "[link](http://x) ![image](y)",
    "[0](http://x)",
    "\\|",
    "&lt;b&gt;",
    "$x$",
    "x" * 5000,
    "",
]


def made(past, text: str):
    singles = single_models([past("a", 0.1, 0.1, head__label=text, optimizer__label=text)], None)
    return singles, tables(singles, [], decimals=5, backbones=[])


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_keeps_its_cells(past, text: str):
    _, both = made(past, text)
    lines = markdown(both).splitlines()
    rows = [line for line in lines if line.startswith("|1|")]
    assert len(rows) == 2  # the single model, and in its backbone's table
    assert len(lines) == 11
    for row, cells in zip(rows, (5, 4), strict=True):
        # A cell ends at a bar that no backslash, itself not escaped, stands before.
        bars = [i for i, sign in enumerate(row) if sign == "|" and (i - len(row[:i].rstrip("\\"))) % 2 == 0]
        assert len(bars) == cells + 1
        assert len(row) < 1000
        bare = row.replace("<br>", "")
        assert not re.search(r"(?<!\\)\](?=[(\[:])", bare)  # no link ends here
        for sign in "<`*[~$":
            at = [i for i, character in enumerate(bare) if character == sign and bare[i - 1] != "\\"]
            harmless = {
                "~": all(bare[i - 1] == bare[i + 1] == " " for i in at),
                "[": all(bare[i + 1] == "0" for i in at),
            }
            assert not at or harmless.get(sign), (sign, row)


@pytest.mark.parametrize("text", HOSTILE)
def test_csv_and_json_hold_it_in_full(past, text: str):
    records = of_runs(made(past, text)[0], [])
    (record,) = json.loads(as_json(records))
    assert (record["head"], record["public_score"], record["status"]) == (text, 0.1, "FINISHED")
    (row,) = csv.DictReader(io.StringIO(as_csv(records), newline=""))
    assert row["head"].replace("\r\n", "\n") == text.replace("\r\n", "\n")


def test_failed_rows_are_struck_and_scores_cut_or_rounded(past):
    runs = [past("a", 0.279996, 0.5), past("b", status="FAILED", highlights='["head"]')]
    text = markdown(tables(single_models(runs, None), [], decimals=5, backbones=[]))
    assert text.count("|0.28000|0.50000|") == 1
    assert text.count("|0.279|") == 1
    assert "|2|~~Xception + GeM + **AdaCos(Semi)**~~|~~Batch size = 128<br>" in text
    assert "lr = CosineDecay(0.001)~~|X|X|" in text


def test_an_interval_stays_readable():
    assert escaped("+0.021 [-0.010, 0.029], 2 seeds each") == "+0.021 [-0.010, 0.029], 2 seeds each"
    assert escaped("x" * 300, None) == "x" * 300
