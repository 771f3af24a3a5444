"""`init_from` names a file or a run: the identity of each, and the error for anything else."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from glr.config.schema import Tracking
from glr.config.shorthand import start
from glr.errors import GlrError
from glr.tracking.run import run
from glr.tracking.weights import InitialWeights, initial_weights
from tests.gcs.fixture import Gcs


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> tuple[str, str, Path]:
    """A store, the id of its run `first`, and the weights that it stored."""
    folder = tmp_path_factory.mktemp("past")
    uri, file = f"sqlite:///{new_store(folder)}", folder / "last.weights.h5"
    file.write_bytes(b"weights")
    with run(Tracking(uri, str(folder / "artifacts"), str(folder / "journal"), 60), "study", "first") as opened:
        opened.file(file, "weights")
    return uri, str(opened.id), file


def given(past: tuple[str, str, Path], init_from: str | None) -> InitialWeights | None:
    config = {"init_from": start(init_from), "study": "study", "tracking": {"uri": past[0]}}
    return initial_weights(OmegaConf.create(config))


def test_a_run_by_id_and_by_name_is_the_same(past: tuple[str, str, Path]):
    for init_from in (past[1], "first"):
        weights = given(past, init_from)
        assert weights is not None
        assert (weights.identity, weights.run_id, weights.name) == (f"run {past[1]}", past[1], f"run first ({past[1]})")
        assert Path(weights.file).read_bytes() == b"weights"


def test_a_file_counts_by_its_content_wherever_it_lies(past: tuple[str, str, Path], tmp_path: Path):
    copy = shutil.copy(past[2], tmp_path / "copy.h5")
    (other := tmp_path / "other.h5").write_bytes(b"Weights")
    one, same, another = (given(past, str(file)) for file in (past[2], copy, other))
    assert one is not None
    assert same is not None
    assert another is not None
    assert one.identity == same.identity != another.identity
    assert (one.file, one.run_id, same.file) == (str(past[2]), None, str(copy))


def test_without_init_from_there_are_none(past: tuple[str, str, Path]):
    assert given(past, None) is None


def _stored(tracking: Tracking, name: str, file: Path) -> str | None:
    with run(tracking, "study", name) as opened:
        opened.file(file, "weights")
    return opened.id


def test_a_run_that_got_a_number_after_a_failed_one_has_the_name_too(
    tmp_path: Path, new_store: Callable[[Path], Path], past: tuple[str, str, Path]
):
    tracking = Tracking(f"sqlite:///{new_store(tmp_path)}", str(tmp_path / "artifacts"), str(tmp_path / "journal"), 60)
    with suppress(ValueError), run(tracking, "study", "a_b"):
        raise ValueError
    second, *_ = [_stored(tracking, name, past[2]) for name in ("a_b", "a_b (next)", "axb (2)")]
    weights = given((tracking.uri, "", past[2]), "a_b")
    assert weights is not None
    assert (weights.run_id, weights.name) == (second, f"run a_b (2) ({second})")


def test_what_is_neither_is_said(past: tuple[str, str, Path], gcs: Gcs, gcs_folder: str):
    assert gcs is not None
    with pytest.raises(GlrError, match=r"^init_from.run=nobody: neither a run's id, nor .*; a file"):
        given(past, "nobody")
    with pytest.raises(GlrError, match=f"^init_from.file={gcs_folder}/none: there is no such file$"):
        given(past, f"{gcs_folder}/none")
