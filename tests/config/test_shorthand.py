"""Sweeps and experiments by their short names."""

import json
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from glr.config import shorthand
from glr.config.check import check_command_line, composed
from glr.errors import GlrError


def written(*overrides: str) -> list[str]:
    return shorthand.written_out(OverridesParser.create().parse_overrides(list(overrides)))


def test_an_experiment_by_its_number():
    assert written("experiment=published/09") == ["experiment=published/09_xception"]
    assert written("experiment=published/06") == ["experiment=published/06_resnet152_v2"]
    assert written("experiment=published/09_xception", "seed=1") == ["experiment=published/09_xception", "seed=1"]
    assert written("experiment=published/01,published/12_xception_arcface") == [
        "experiment=published/01_inception_v3,published/12_xception_arcface"
    ]
    assert written("experiment=null") == ["experiment=null"]
    assert written("experiment=published/9") == ["experiment=published/9"]  # left for the check to refuse


def test_experiments_may_be_added_listed_and_matched_as_in_hydra():
    assert written("+experiment=published/09") == ["experiment=published/09_xception"]
    assert written("experiment=[published/09,published/12]") == [
        "experiment=[published/09_xception,published/12_xception_arcface]"
    ]
    assert written("experiment=glob(published/0*,exclude=[*resnet*,*xception])") == [
        "experiment=choice(published/01_inception_v3)"
    ]
    assert written("head=glob([arc*,*cosface],exclude=x)") == ["head=choice(arcface,cosface)"]
    with pytest.raises(GlrError, match=r"^head=glob\(x\*\): no choice of head matches$"):
        written("head=glob(x*)")
    alone, listed = (
        composed("train", [f"experiment={name}"])[0] for name in ("published/09_xception", "[published/09_xception]")
    )
    assert alone == listed


def test_a_sweep_stands_for_its_settings_but_for_those_given():
    assert written("sweep=l2") == ["sweep.name=l2", "regularization=none,l2", "head=adacos_fixed,adacos_semi"]
    assert written("sweep=l2", "head=arcface") == ["sweep.name=l2", "regularization=none,l2", "head=arcface"]
    assert written("sweep.name=l2", "sweep.jobs=3") == [*written("sweep=l2"), "sweep.jobs=3"]
    job = ["sweep.name=l2", "regularization=none", "head=adacos_fixed"]
    assert written(*job) == job
    assert written("sweep=null", "sweep.jobs=2") == ["sweep.name=null", "sweep.jobs=2"]


@pytest.mark.parametrize("file", sorted(shorthand.SWEEPS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_sweep_composes_and_says_what_it_asks(file: Path):
    overrides, jobs = check_command_line("train", [f"sweep={file.stem}"], multirun=False)
    assert jobs is not None
    assert len(jobs) >= 4
    assert all(job[0] == f"sweep.name={file.stem}" for job in jobs)
    assert len(overrides) > 1
    first = file.read_text().splitlines()
    assert first[0].startswith("# ")
    assert any(f"python -m glr.train sweep={file.stem}" in line for line in first[:3])


def test_the_published_sweep_is_every_published_experiment_in_order():
    _, jobs = check_command_line("train", ["sweep=published"], multirun=False)
    assert jobs is not None
    names = [job[1].removeprefix("experiment=") for job in jobs]
    assert names == [name for name in shorthand.choices("experiment") if name.startswith("published/")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("first", "{run:first,file:null}"),
        ("null", "{run:null,file:null}"),
        ("2024", "{run:'2024',file:null}"),
        ("gs://b/x.h5", "{run:null,file:gs://b/x.h5}"),
        ("'a, b}'", "{run:'a, b}',file:null}"),
        ("null,first", "{run:null,file:null},{run:first,file:null}"),
        ("{run:first}", "{run:first}"),
    ],
)
def test_weights_to_start_from_are_a_run_or_a_file(given: str, expected: str):
    assert written(f"init_from={given}") == [f"init_from={expected}"]
    assert written(*written(f"init_from={given}")) == [f"init_from={expected}"]


def test_an_existing_file_is_a_file_and_strictness_stays(tmp_path: Path):
    (file := tmp_path / "x.weights.h5").touch()
    given = composed("train", written("experiment=published/06b", f"init_from={file}"))[0].init_from
    assert (given.run, given.file, given.strict) == (None, str(file), True)


def test_mistakes_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(GlrError, match="sweep=headz: there is no such choice; did you mean sweep=heads"):
        written("sweep=headz")
    with pytest.raises(GlrError, match="sweep=heads,l2: run one sweep after the other"):
        written("sweep=heads,l2")
    with pytest.raises(GlrError, match=r"job [0-9] of 8 .*head\.scale is a setting of head=adacos_fixed"):
        check_command_line("train", ["sweep=heads", "head.scale=3"], multirun=False)
    monkeypatch.setattr(shorthand, "SWEEPS", tmp_path)
    (tmp_path / "odd.yaml").write_text("head: arcface\n")
    with pytest.raises(GlrError, match=r"odd\.yaml: expected each setting with the list of its values"):
        written("sweep=odd")
    (tmp_path / "numbers.yaml").write_text(json.dumps({"a": [1.5, None, True, [1, 2], "x"]}))
    assert written("sweep=numbers") == ["sweep.name=numbers", "a=1.5,null,true,[1, 2],x"]
