"""The keys of JSON and CSV, as docs/commands/compare.md lists them."""

import json
from dataclasses import replace

from glr.compare.records import of_configurations, whole
from glr.config.records import as_csv, as_json
from glr.statistics.choice import Choice
from tests.compare.test_configurations import BEST, METRIC, OTHER, analysis


def test_an_analysis_has_fixed_keys():
    content = json.loads(as_json(whole(replace(analysis(BEST, OTHER), choice=Choice(1, 0.1, 2, 0.2)), [BEST, OTHER])))
    assert list(content) == [
        *("study", "metric", "baseline", "queries", "common", "rows", "effects", "interactions", "choice", "notes")
    ]
    first, second = content["rows"]
    assert list(first) == [
        *("configuration", "kind", "index", "name", "settings", "labels", "seeds", "runs", "metrics"),
        *("difference", "probability_best"),
    ]
    assert (content["baseline"], first["difference"], first["seeds"]) == ("key1", None, ["", ""])
    assert first["metrics"][METRIC] == {"value": 0.5, "low": 0.45, "high": 0.55, "sd": 0.01}
    assert second["difference"] == {
        **{"value": -0.02, "low": -0.03, "high": 0.01, "p": 0.0123, "p_holm": 0.0246, "wins": 30, "losses": 41}
    }
    assert [run["status"] for run in second["runs"]] == ["FINISHED", "FINISHED", "FAILED"]
    assert content["effects"] == [
        {"setting": "head", "from": "a", "to": "b", "value": 0.01, "low": -0.02, "high": 0.04, "p": None, "pairs": 3}
    ]
    assert content["choice"] == {"best": "key2", "optimism": 0.1, "private_rank": 2, "private_loss": 0.2}


def test_csv_has_a_line_per_configuration():
    header, first, second = as_csv(of_configurations([BEST, OTHER])).splitlines()
    record = dict(zip(header.split(","), second.split(","), strict=True))
    assert (record["private/gap"], record["private/gap.sd"], record["difference.p_holm"]) == ("0.48", "0.02", "0.0246")
    assert (record["public/gap"], record["seeds"], record["head"]) == ("", "2", "b|c")
    assert first.startswith("train,1,key1,a,2,a,0.5,0.45,0.55,0.01,0.4")
