"""A trial as its job sees it."""

from pathlib import Path

import optuna
import pytest

from glr.config.ranges import Range
from glr.config.search import Settings
from glr.errors import GlrError
from glr.tuning.search import Search
from glr.tuning.trial import Trial, named
from tests.conftest import no_file_beyond


@pytest.fixture
def search(tmp_path: Path) -> Search:
    settings = Settings(storage=str(tmp_path / "journal"), study_name="it", warmup_trials=0)
    return Search({"rate": Range(0.0, 1.0)}, {}, settings)


def asked(search: Search) -> str:
    return named(search.file, "it", search.study.ask(search.distributions).number)


def test_without_a_search_nothing_is_hopeless():
    with Trial(None) as trial:
        trial.report(1, 0.0)
        assert not trial.hopeless()


def test_a_job_that_ends_well_tells_its_last_score(search: Search):
    with Trial(asked(search)) as trial:
        trial.report(1, 0.5)
        trial.report(2, 0.4)
    (told,) = search.study.trials
    assert (told.state.name, told.value, told.intermediate_values) == ("COMPLETE", 0.4, {1: 0.5, 2: 0.4})


def test_of_a_job_that_fails_or_has_no_score_nothing_is_told(search: Search):
    for error in (KeyboardInterrupt, SystemExit, GlrError, ValueError):
        trial = Trial(asked(search))
        trial.report(1, 0.5)
        trial.__exit__(error, error(), None)
    with Trial(asked(search)):
        pass
    assert [trial.state.name for trial in search.study.trials] == ["RUNNING"] * 5


def test_a_trial_that_the_search_has_given_up_stays_so(search: Search):
    name = asked(search)
    with Trial(name) as trial:
        trial.report(1, 0.5)
        search.study.tell(0, state=optuna.trial.TrialState.FAIL)
    assert search.study.trials[0].state.name == "FAIL"


def test_a_trial_that_is_not_there_is_one_sentence(search: Search, tmp_path: Path):
    with pytest.raises(
        GlrError, match=r"there is no .*/none here; a search needs a folder that all its machines share"
    ):
        Trial(f"{tmp_path}/none:it:0")
    for name in ("it:7", "other:0"):
        with pytest.raises(GlrError, match="has no trial"):
            Trial(f"{search.file}:{name}")


def test_a_full_disk_stops_no_training(search: Search, capsys: pytest.CaptureFixture):
    with Trial(asked(search)) as trial:
        for room in (0, 10):  # no room, or room for part of the line
            with no_file_beyond(search.file.stat().st_size + room):
                trial.report(1, 0.5)
            assert "the search was not updated" in capsys.readouterr().err
        trial.report(2, 0.6)
    (told,) = search.study.trials
    assert told.intermediate_values == {2: 0.6}
    assert told.value == 0.6
