"""The members of an export, and the precision of their models."""

from pathlib import Path

import numpy as np
import pytest

from glr.config.check import composed
from glr.config.values import Precision
from glr.errors import GlrError
from glr.export.members import Members
from glr.tracking.history import find
from glr.tracking.store import connect


def test_members_in_half_precision_are_named_and_load_in_float32(trained: Path):
    client = connect(f"sqlite:///{trained}/mlruns/mlflow.db")
    config, _ = composed("export", [])
    members = Members.of(config, [find(client, name) for name in ("one", "two")])
    assert (members.weights, members.dimension, members.sizes, members.half) == ([1, 1], 40, [16, 24], [])
    members.settings[1].train.precision = Precision.mixed_bfloat16
    assert members.half == ["two in mixed_bfloat16"]
    own, exact = (members.models(precision)[1].network for precision in (None, Precision.float32))
    assert {layer.compute_dtype for layer in own.layers if layer.name.startswith("conv")} == {"bfloat16"}
    assert {layer.compute_dtype for layer in exact.layers} == {"float32"}
    for weight, other in zip(own.weights, exact.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_a_run_without_a_model_is_refused(past):
    config, _ = composed("export", [])
    with pytest.raises(GlrError, match=r"run old .* trained no model that could be exported"):
        Members.of(config, [past("old")])
