"""Outcomes and descriptors that cannot be used: each is a sentence, and the comparison goes on."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glr.report.study.stored import outcomes_of
from glr.retrieval import outcomes
from glr.tracking.history import PastRun
from tests.conftest import no_file_beyond
from tests.report.study.heads import RUNS, artifacts


def test_without_outcomes_one_sentence_says_what_to_do(alone: Callable[..., PastRun]):
    described, other, bare = alone(), alone("other"), alone("bare", described=False)
    nothing = outcomes_of([described, other], compute=False)
    assert nothing == {}
    assert nothing.notes == [
        "2 of 2 runs stored no outcomes of queries, so their scores have no interval; compare.outcomes=compute makes "
        "them from stored descriptors"
    ]
    assert outcomes_of([described, other, bare], compute=False).notes == [
        "3 of 3 runs stored no outcomes of queries, so their scores have no interval; compare.outcomes=compute makes "
        "those of 2 runs from stored descriptors"
    ]
    computed = outcomes_of([described, bare], compute=True)
    assert list(computed) == [described.id]
    assert computed.notes == [
        "1 of 2 runs stored no outcomes of queries, so its scores have no interval; without stored descriptors, only a "
        "new evaluation has them: python -m glr.evaluate run=NAME"
    ]


def test_descriptors_of_another_epoch_are_refused(alone: Callable[..., PastRun], work: Path):
    right = RUNS["arcface 0"]["metrics"]["private/map_at_100"]
    run = alone(metrics={"private/map_at_100": right + 0.001})
    computed = outcomes_of([run], compute=True)
    assert computed == {}
    assert computed.notes == [
        f"the outcomes of 1 of 1 run cannot be used: arcface 0 (its stored descriptors give private/map_at_100 "
        f"{right:.5f}, but it logged {right + 0.001:.5f}: they are of another epoch or another set)"
    ]
    assert not (artifacts(work, run.id) / outcomes.FILE).exists()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            {"evaluate.gap.neighbors": "many"},
            "its parameters cannot be read as those of an evaluation: invalid literal",
        ),
        ({"evaluate.gap.neighbors": "0"}, "its parameters cannot be read as those of an evaluation: neighbors"),
    ],
)
def test_foreign_parameters_are_a_sentence(alone: Callable[..., PastRun], params: dict[str, str], sentence: str):
    run = alone(params=params)
    (note,) = outcomes_of([run], compute=True).notes
    assert f"arcface 0 ({sentence}" in note


def test_damaged_descriptors_are_a_sentence(alone: Callable[..., PastRun], work: Path):
    run = alone()
    file = artifacts(work, run.id) / "descriptors/query_descriptors.npy"
    file.write_bytes(file.read_bytes()[:-9])
    (note,) = outcomes_of([run], compute=True).notes
    assert re.search(r"arcface 0 \(.+query_descriptors\.npy cannot be read as descriptors", note)


def _truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def _flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 1
    file.write_bytes(content)


def _other_columns(file: Path) -> None:
    pq.write_table(pa.table({"id": ["q"]}), file)


def _other_scores(file: Path) -> None:
    table, settings = outcomes.load(file)
    column = table.column_names.index("ap")
    outcomes.save(table.set_column(column, "ap", pa.array(np.full(150, 0.25))), file.parent, settings)


@pytest.mark.parametrize("spoil", [_truncated, _flipped, _other_columns, _other_scores])
def test_a_spoilt_file_is_a_sentence_and_is_made_again(spoil: Callable[[Path], None], alone: Callable[..., PastRun]):
    run = alone()
    (before,) = outcomes_of([run], compute=True).values()
    spoil(run.stored(outcomes.FILE))
    spoilt = outcomes_of([run], compute=False)
    assert spoilt == {}
    (note,) = spoilt.notes
    assert note.startswith("the outcomes of 1 of 1 run cannot be used: arcface 0 (")
    assert note.endswith("); compare.outcomes=compute makes them again from stored descriptors")
    again = outcomes_of([run], compute=True)
    assert (again[run.id].equals(before), again.notes) == (True, [])
    assert outcomes_of([run], compute=False)[run.id].equals(before)


def test_a_folder_in_place_of_the_file_is_a_sentence(alone: Callable[..., PastRun], work: Path):
    run = alone(described=False)
    (artifacts(work, run.id) / outcomes.FILE).mkdir(parents=True)
    (note,) = outcomes_of([run], compute=False).notes
    assert "arcface 0 (outcomes.parquet cannot be read as the outcomes of queries" in note


def test_a_sentence_names_three_runs(alone: Callable[..., PastRun], work: Path):
    spoilt = [alone(f"r{number}", described=False) for number in range(5)]
    for run in spoilt:
        folder = artifacts(work, run.id)
        folder.mkdir(parents=True)
        (folder / outcomes.FILE).write_bytes(b"no Parquet")
    (note,) = outcomes_of(spoilt, compute=False).notes
    assert note.startswith("the outcomes of 5 of 5 runs cannot be used: r0 (")
    assert ") and 2 more; compare.outcomes=compute makes" in note
    assert "r3" not in note


def test_a_full_store_keeps_no_outcomes_but_they_are_compared(alone: Callable[..., PastRun], work: Path):
    run = alone()
    with no_file_beyond(2_000):
        computed = outcomes_of([run], compute=True)
    assert len(computed[run.id]) == 150
    assert len(computed.notes) == 1
    assert computed.notes[0].endswith("; the next comparison computes the outcomes of arcface 0 again")
    assert not (artifacts(work, run.id) / outcomes.FILE).exists()


def test_a_run_whose_files_are_gone_lacks_outcomes(alone: Callable[..., PastRun], work: Path):
    run = alone()
    shutil.rmtree(artifacts(work, run.id))
    (note,) = outcomes_of([run], compute=True).notes
    assert "has no descriptors" in note
