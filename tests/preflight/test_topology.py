"""What is known of the chips."""

import pytest

from glr.preflight.topology import TOPOLOGIES, Topology


@pytest.mark.parametrize(("name", "replicas"), [("v2-8", 8), ("v3-8", 8), ("v4-8", 4), ("v5e-8", 8), ("v5p-8", 4)])
def test_the_cores_of_newer_chips_work_as_one(name: str, replicas: int):
    assert TOPOLOGIES[name].cores == replicas


@pytest.mark.parametrize("chips", [1, 4])
def test_a_sum_over_chips_takes_the_time_of_a_ring(chips: int):
    """n - 1 times a chip passes on an n-th of the addends, and n - 1 times an n-th of the sum."""
    topology = Topology("", cores=chips, chips=chips, memory=16, peak=1, bandwidth=1, link=50)
    seconds = sum(8e9 / chips / (2 * 50e9) for _ in range(2 * (chips - 1)))
    assert topology.exchange_seconds(8_000_000_000) == pytest.approx(seconds)
