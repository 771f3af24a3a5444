"""Estimates as text."""

from glr.preflight.table import table

ROW = {"run": "one", "precision": "float32", "topology": "v3-8", "batch_per_core": 16, "fits": True, "capacity": 15.48}
ROW |= {"largest_batch": 4096, "step_seconds": 0.1249, "peak_share": 0.229, "price": None, "memory": 6.6}


def test_one_run_has_a_line_for_each_figure():
    assert table([ROW], searched=False).splitlines() == [
        "run                                         one",
        "precision                                   float32",
        "TPU                                         v3-8",
        "images per core and step                    16",
        "memory of a core in all, GiB                6.60",
        "memory of a core available, GiB             15.48",
        "fits                                        yes",
        "largest global batch, a guess               4,096",
        "step time at best, ms                       124.9",
        "share of the chip's peak                    23%",
    ]


def test_several_runs_have_a_line_each_and_share_their_tpu():
    refused = ROW | {"run": "another", "fits": False, "step_seconds": None, "peak_share": None}
    failed = {"run": "x", "precision": "float32", "topology": "v3-8", "failure": "too small"}
    text = table([ROW, refused, failed], searched=True).splitlines()
    assert text[0] == "TPU: v3-8"
    heading = "run      precision  batch/core  of GiB   all  fits  max batch  step ms  of peak"
    assert [line.split() for line in text[1:]] == [
        ["run", "precision", "batch/core", "all", "of", "GiB", "fits", "max", "batch", "step", "ms", "of", "peak"],
        ["one", "float32", "16", "6.60", "15.48", "yes", "4,096", "124.9", "23%"],
        ["another", "float32", "16", "6.60", "15.48", "NO", "4,096", "-", "-"],
        ["x", "float32", "-", "-", "-", "-", "-", "-", "-", "too", "small"],
    ]
    assert len(heading) == len(text[1])
