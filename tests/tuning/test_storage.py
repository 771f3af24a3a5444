"""The file of a search holds whole lines, is refused if it is something else, and knows the search's pruner."""

from pathlib import Path

import optuna
import pytest
from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

from glr.config.search import Pruner, Settings
from glr.errors import GlrError
from glr.tuning.storage import opened, pruner_of, record_pruner, trial_id
from tests.conftest import no_file_beyond


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new/searches.journal"


def test_a_full_disk_leaves_whole_lines(file: Path):
    study = optuna.create_study(storage=opened(file), study_name="it")
    before = file.read_bytes()
    with no_file_beyond(len(before) + 10), pytest.raises(OSError, match="No space left"):
        study.set_user_attr("note", "x" * 100)
    assert file.read_bytes() == before
    study.set_user_attr("note", "y")
    assert optuna.load_study(storage=opened(file), study_name="it").user_attrs == {"note": "y"}


def test_a_trial_is_found_by_its_search_and_number(file: Path):
    studies = [optuna.create_study(storage=opened(file), study_name=name) for name in ("one", "two")]
    asked = [(name, study.ask()) for _ in range(2) for name, study in zip(("one", "two"), studies, strict=True)]
    ids = [trial_id(opened(file), name, trial.number) for name, trial in asked]
    assert ids == [trial._trial_id for _, trial in asked]
    assert len(set(ids)) == 4
    for name, number in (("one", 2), ("three", 0)):
        with pytest.raises(KeyError):
            trial_id(opened(file), name, number)


def test_another_file_is_refused(tmp_path: Path):
    (tmp_path / "other").write_text("no journal\nat all\n")
    with pytest.raises(GlrError, match=r"/other is not the journal of a search, or is damaged; give another hydra\."):
        opened(tmp_path / "other")


@pytest.mark.parametrize(
    ("kind", "made"), [(Pruner.median, MedianPruner), (Pruner.hyperband, HyperbandPruner), (Pruner.none, NopPruner)]
)
def test_the_pruner_is_kept_with_the_search(file: Path, kind: Pruner, made: type):
    study = optuna.create_study(storage=opened(file), study_name="it")
    record_pruner(study, Settings(pruner=kind, warmup_trials=3, warmup_steps=2))
    assert type(pruner_of(optuna.load_study(storage=opened(file), study_name="it"))) is made
