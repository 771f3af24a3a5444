"""`python -m glr.ensemble` as users run it: members by index, name and id, searches, and every refusal."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from glr.retrieval.descriptors import load
from glr.retrieval.outcomes import load as load_outcomes
from tests.conftest import here
from tests.evaluate.by_hand import metrics as by_hand
from tests.evaluate.test_evaluate import named, runs, scores


def ensemble(folder: Path, *arguments: str) -> str:
    return here("ensemble", "study=pair", *arguments, cwd=folder)


def descriptors_of(folder: Path, name: str) -> Path:
    return folder / "mlruns/artifacts" / named(folder, name).info.run_id / "artifacts/descriptors"


def test_members_by_index_name_and_id_are_the_same(trained: Path):
    ids = [named(trained, name).info.run_id for name in ("one", "two")]
    joined = []
    for members in ("[1,2]", "[one,two]", f"[{ids[0]},2]"):
        printed = ensemble(trained, f"members={members}")
        newest = runs(trained)[0]
        joined.append(scores(newest))
        assert f"ensemble one + two of 40 dimensions in study pair ({newest.info.run_id})" in printed
        assert json.loads(newest.data.params["members"]) == ids
        assert (newest.data.tags["kind"], newest.data.params["dimension"]) == ("ensemble", "40")
        assert newest.data.metrics["public_score"] == newest.data.metrics["public/gap"]
    assert joined[0] == joined[1] == joined[2]
    assert "|one + two|" in here("compare", "study=pair", "output=-", cwd=trained)


def test_an_ensemble_of_one_does_not_take_its_members_name(trained: Path):
    ensemble(trained, "members=[one]")
    assert runs(trained)[0].info.run_name == "ensemble one"
    assert "ensemble one of 16 dimensions" in ensemble(trained, "members=[one]")


def test_weights_and_scores_follow_the_concatenated_descriptors(trained: Path):
    ensemble(trained, "members=[1,2]", "weights=[3,1]", "score=map_at_100")
    metrics = runs(trained)[0].data.metrics
    assert metrics["private_score"] == metrics["private/map_at_100"]
    cosines: dict[str, np.ndarray] = {}
    for name in ("one", "two"):
        folder = descriptors_of(trained, name)
        cosines[name] = load(folder, "query").values @ load(folder, "index").values.T
    expected = by_hand(folder, (3 * cosines["one"] + cosines["two"]) / 4)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("method", ["greedy", "exhaustive"])
def test_a_search_logs_the_best_and_all_that_it_tried(trained: Path, method: str):
    printed = ensemble(trained, f"ensemble.search={method}", "score=map_at_100", "ensemble.weights=[1,2]")
    newest = runs(trained)[0]
    tried = trained / "mlruns/artifacts" / newest.info.run_id / "artifacts/search.csv"
    rows = list(csv.DictReader(tried.open()))
    assert f"{len(rows)} combinations of 2 runs tried; the best by public/map_at_100:" in printed
    values = [float(row["public/map_at_100"]) for row in rows]
    outcomes, settings = load_outcomes(tried.with_name("outcomes.parquet"))
    assert len(settings["members"]) == len(settings["weights"])
    of_public = outcomes.filter(pc.equal(outcomes["usage"], "Public"))
    assert pc.mean(of_public["ap"]).as_py() == pytest.approx(newest.data.metrics["public/map_at_100"])
    assert values == sorted(values, reverse=True)
    assert {row["members"] for row in rows} >= {"one", "two"}
    assert newest.data.metrics["public_score"] == pytest.approx(values[0], abs=1e-6)
    assert json.loads(newest.data.params["candidates"]) == ["one", "two"]
    assert "raise ensemble.depth" not in printed


SENTENCES = [
    ("", "members: give at least one run, such as [9,15], or choose from the study with ensemble.search=greedy"),
    ("members=[1,7]", "members: study pair has no row 7; its rows are 1, 2"),
    ("members=[1,seven]", "there is no run with the id or the name seven"),
    ("members=[1,one]", "members: one is run "),
    ("members=[1,2] weights=[1]", "weights: 1 for 2 members; give one for each"),
    ("members=[1,2] weights=[1,0]", "weights=[1.0, 0.0]: weights must be above 0"),
    ("members=[1,2] weights=[1,1] ensemble.search=greedy", "weights belong to given members; a search tries"),
    ("members=[1.5]", "members: 1.5 is no table index, name or id"),
    ("members=[1,2] score=map", "score=map: expected one of gap, map_at_100"),
    ("ensemble.search=greedy ensemble.max_dimension=10", "ensemble.max_dimension=10: the smallest member has 16"),
    ("ensemble.search=greedy ensemble.weights=[]", "ensemble.weights: give at least one weight, as [1.0]"),
    ("ensemble.search=greedier", "ensemble.search=greedier: expected one of greedy, exhaustive"),
]


@pytest.mark.parametrize(("line", "sentence"), SENTENCES, ids=[line or "nothing" for line, _ in SENTENCES])
def test_mistakes_get_one_sentence(trained: Path, line: str, sentence: str):
    before = len(runs(trained))
    printed = ensemble(trained, *line.split())
    assert printed.startswith("error: ")
    assert sentence in printed
    assert "\n" not in printed
    assert len(runs(trained)) == before
