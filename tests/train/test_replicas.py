"""The same global batch gives the same step on 1, 2 and 8 replicas, with every head; one wrong factor does not."""

import pickle

import numpy as np
import pytest

from tests.processes.forks import Forks
from tests.train import replicas
from tests.train.replicas import Snapshot

pytestmark = pytest.mark.slow
PARTS = 2
Trained = dict[tuple[str, int], list[Snapshot]]
LOOSE = {"float16": 0.02, "bfloat16": 0.05}  # the shares' gradients are rounded before they are summed


@pytest.fixture(scope="module")
def trained(processes: Forks, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("replicas")
    code = f"import sys; from tests.train import replicas; replicas.main(sys.argv[1], int(sys.argv[2]), {PARTS})"
    files = [folder / str(part) for part in range(PARTS)]
    started = [processes.start(code, str(file), file.name, command="-c", cwd=folder) for file in files]
    assert [processes.wait(process) for process in started] == [0] * PARTS, (folder / "log.txt").read_text()[-5000:]
    return {key: values for file in files for key, values in pickle.loads(file.read_bytes()).items()}


def differences(one: list[Snapshot], other: list[Snapshot], tolerance: float = 1e-4) -> list[str]:
    """Return what differs by more than float32's rounding explains."""
    texts = []
    assert len(one) == len(other)
    for number, (a, b) in enumerate(zip(one, other, strict=True)):
        values = [*zip(a.outcome._fields, a.outcome, strict=True), *a.variables]
        others = [*zip(b.outcome._fields, b.outcome, strict=True), *b.variables]
        for (name, value), (same, another) in zip(values, others, strict=True):
            assert name == same
            if not np.allclose(value, another, rtol=tolerance, atol=tolerance / 10, equal_nan=True):
                texts.append(f"after call {number}: {name}")
    return texts


@pytest.mark.parametrize("name", [*replicas.HEADS, "free, adamw"])
def test_every_head_on_any_number_of_replicas(trained: Trained, name: str):
    one = trained[name, 1]
    assert len(one) == replicas.STEPS
    for count in replicas.cases()[name].replicas:
        assert differences(one, trained[name, count]) == []
    assert (one[0].outcome.penalty > 0) == (name != "free, adamw")
    names = [name for name, _ in one[0].variables]
    known = {"kernel", "scale", "moving_mean", "moving_variance"}
    left = {name.split("/")[-1] for name in names} & known
    assert left == known - ({"scale"} if name in replicas.OVER_PAIRS else set())
    moved = [not np.array_equal(a, b) for (_, a), (_, b) in zip(one[0].variables, one[-1].variables, strict=True)]
    assert sum(moved) >= 6  # it is a step, and not the first state twice


LOOKING = ["adam", "clipped", "loss scaling, broken", "broken", "broken in one share", "float16", "bfloat16"]


@pytest.mark.parametrize("name", LOOKING)
def test_whatever_looks_at_the_gradients_sees_the_global_batch(trained: Trained, name: str):
    one = trained[name, 1]
    for count in replicas.cases()[name].replicas:
        assert differences(one, trained[name, count], LOOSE.get(name, 1e-4)) == []


def test_the_same_images_leave_out_the_same_branches(trained: Trained):
    assert differences(trained["stochastic depth", 1], trained["stochastic depth", 2]) == []
    assert trained["stochastic depth", 1][0].outcome.loss != trained["norm_softmax", 1][0].outcome.loss


@pytest.mark.parametrize("name", ["broken", "broken in one share"])
def test_a_share_without_finite_gradients_stops_the_step_of_all(trained: Trained, name: str):
    for count in replicas.cases()[name].replicas:
        before, broken, after = trained[name, count]
        assert [snapshot.outcome.skipped for snapshot in (before, broken, after)] == [0, 1, 0]
        for (variable, old), (_, new) in zip(before.variables, broken.variables, strict=True):
            np.testing.assert_array_equal(old, new, err_msg=variable)
        assert not np.isfinite(broken.outcome.loss)
        assert np.isfinite(after.outcome.loss)


@pytest.mark.parametrize("count", [1, 2])
def test_weights_and_their_averages_are_swapped_on_all_replicas(trained: Trained, count: int):
    assert differences(trained["averaged", 1], trained["averaged", count]) == []
    raw, swapped = (snapshot.variables for snapshot in trained["averaged", count][-2:])
    averages = [values for name, values in raw if name.endswith("_average")]
    weights = [name for name, _ in raw if any(other.endswith(f"{name.replace('/', '_')}_average") for other, _ in raw)]
    assert len(averages) == len(weights) >= 6
    for name, average in zip(weights, averages, strict=True):
        np.testing.assert_array_equal(dict(swapped)[name], average, err_msg=name)
        assert not np.array_equal(dict(raw)[name], average)


def test_several_steps_a_call_are_the_same_steps_on_replicas_too(trained: Trained):
    by_one = trained["adacos_dynamic", 1]
    for count in (1, 2):
        calls = trained["two steps a call", count]
        assert differences(calls[:1], by_one[1:2]) == []


@pytest.mark.parametrize("name", sorted(replicas.mistakes()))
def test_a_mistake_is_found(trained: Trained, name: str):
    """The comparison that the right step passes."""
    right, _ = replicas.mistakes()[name]
    assert differences(trained[right, 1], trained[right, 2]) == []
    assert differences(trained[right, 1], trained[name, 2]) != []


def test_without_synchronisation_each_replica_normalises_with_its_own_share(trained: Trained):
    """All replicas keep the mean of their statistics, so that any of them can give a checkpoint or a descriptor."""
    one, two = trained["per replica", 1][0], trained["per replica", 2][0]
    means = [dict(snapshot.variables)["embedding_norm/moving_mean"] for snapshot in (one, two)]
    variances = [dict(snapshot.variables)["embedding_norm/moving_variance"] for snapshot in (one, two)]
    # Of equal shares the mean of the means is the batch's; the mean of the variances lacks what is between the shares.
    np.testing.assert_allclose(means[0], means[1], rtol=1e-4, atol=1e-5)
    assert (variances[1] <= variances[0] * (1 + 1e-5)).all()
    assert not np.allclose(variances[0], variances[1], rtol=1e-3)
    assert differences([one], [two]) != []
