"""Runs that cannot be members of an ensemble."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from glr.retrieval.descriptors import files
from tests.conftest import here
from tests.ensemble.test_main import descriptors_of, ensemble
from tests.evaluate.test_evaluate import runs


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Iterator[Path]:
    """The runs once more, whose files may be spoilt: the store still points to the originals, so they are put back."""
    spare = tmp_path / "spare"
    shutil.copytree(descriptors_of(trained, "two"), spare)
    yield trained
    shutil.rmtree(descriptors_of(trained, "two"), ignore_errors=True)
    shutil.copytree(spare, descriptors_of(trained, "two"))


def test_members_that_do_not_fit_together(copied: Path):
    folder = descriptors_of(copied, "two")
    ids, _, checksums = files(folder, "query")
    checksums.unlink()
    ids.write_text(ids.read_text().replace("class", "other"))
    sentence = "one and two describe different query images (12 and 12, 0 of them the same)"
    assert sentence in ensemble(copied, "members=[1,2]")


def test_members_scored_by_different_solutions(copied: Path):
    solution = descriptors_of(copied, "two") / "retrieval_solution.csv"
    solution.write_text(
        solution.read_text().replace("Public", "X").replace("Private", "Public").replace("X", "Private")
    )
    assert "one and two were scored by different solutions; evaluate them again" in ensemble(copied, "members=[1,2]")


@pytest.mark.parametrize("bad", [np.nan, 0.0])
def test_descriptors_that_are_no_numbers(copied: Path, bad: float):
    _, file, checksums = files(descriptors_of(copied, "two"), "index")
    checksums.unlink()
    values = np.load(file)
    values[7] = bad
    np.save(file, values)
    sentence = "error: row 7 of a member's descriptors is zero or holds NaN; the model that gave it diverged"
    assert ensemble(copied, "members=[1,2]") == sentence
    assert ensemble(copied, "ensemble.search=greedy") == sentence
    assert runs(copied)[0].info.status in ("FAILED", "FINISHED")


def test_runs_without_descriptors(copied: Path, recorded: Path):
    shutil.rmtree(descriptors_of(copied, "two"))
    printed = ensemble(copied, "members=[1,2]")
    assert "has no descriptors; it ran with evaluate.keep_descriptors=false, or was only recorded" in printed
    printed = here("ensemble", "study=published", "members=[9,15]", cwd=recorded)
    assert "has no descriptors; it ran with evaluate.keep_descriptors=false, or was only recorded" in printed
    printed = here("ensemble", "study=published", "ensemble.search=greedy", cwd=recorded)
    assert "study=published: none of its runs has stored descriptors; give members=[...]" in printed
