"""Estimates, checked against a calculation by hand."""

import pytest

from glr.preflight.compiling import Compiled
from glr.preflight.estimation import Workload, estimate
from glr.preflight.topology import GIB, TOPOLOGIES
from glr.preflight.tracing import Traced

V3 = TOPOLOGIES["v3-8"]
WORK = Workload(batch_size=128, images=1_280_100, epochs=20, image_bytes=GIB // 64)
COST = {"host_images_per_core": 500, "price_per_hour": 8}


def test_time_cost_and_host_of_a_step_that_fits():
    compiled = Compiled(
        arguments=2 * GIB,
        temporaries=4 * GIB,
        outputs=0,
        code=GIB // 2,
        flops=6.15e11,
        accessed=1e10,
        seconds=0.1,
        cycles=188_000_000,
    )
    traced = Traced(parameters=10**8, exchanged=int(41e8 / 15))
    estimated = estimate(traced, compiled, V3, WORK, **COST)
    # Four chips in a ring: each passes on 2 * 3/4 of the bytes, over two links of 82 GB/s.
    assert estimated.exchange_seconds == pytest.approx(1.5 * 41e8 / 15 / 164e9)
    assert estimated.exchange_seconds == pytest.approx(0.0025)
    assert estimated.step_seconds == pytest.approx(0.1025)
    assert estimated.cautious_seconds == pytest.approx(0.2025)  # 188 million cycles at 940 MHz
    assert estimated.images_per_second == pytest.approx(128 / 0.1025)
    assert estimated.host_cores == pytest.approx(128 / 0.1025 / 500)
    assert estimated.peak_share == pytest.approx(0.1 / 1.025)  # 6.15 of 61.5 TFLOP/s, for 0.1025 s
    assert estimated.epoch_hours is not None
    assert estimated.run_hours is not None
    assert estimated.epoch_hours == pytest.approx(10_000 * 0.1025 / 3600)  # the rest of 100 images is no batch
    assert estimated.run_hours == pytest.approx(20 * estimated.epoch_hours)
    assert estimated.price == pytest.approx(8 * estimated.run_hours)
    assert (estimated.fits, estimated.memory, estimated.batch_per_core) == (True, 6.5, 16)
    # 16 images are a quarter of a GiB of the arguments: 2.25 GiB stay, and an image adds 4.25 / 16.
    assert estimated.largest_batch == 8 * int((15.48 - 2.25) / (4.25 / 16))


def test_a_refused_step_has_no_time():
    estimated = estimate(Traced(1, 1), Compiled(needed=31 * GIB), V3, WORK, **COST)
    assert (estimated.fits, estimated.memory, estimated.arguments) == (False, 31, None)
    assert estimated.step_seconds is estimated.price is estimated.images_per_second is None
    assert estimated.largest_batch == 8 * int(15.48 / ((31 + 0.25) / 16))
    assert estimate(Traced(1, 1), Compiled(needed=31 * GIB), V3, WORK, **COST, largest_batch=0).largest_batch == 0


def test_a_step_that_compiles_but_leaves_no_room_for_its_code_does_not_fit():
    compiled = Compiled(arguments=GIB, temporaries=int(14.4 * GIB), code=GIB // 4, seconds=0.1)
    assert not estimate(Traced(1, 1), compiled, V3, WORK, **COST).fits
