"""The order of the images: a permutation by formula, in pieces of whole blocks."""

import itertools

import pytest

from glr.data.order import Order, Place

COUNTS = [100, 64, 0, 7, 129]


def stored(counts: list[int], block: int) -> list[Place]:
    return [Place(s, i // block, i % block) for s, count in enumerate(counts) for i in range(count)]


def epoch_of(order: Order, epoch: int) -> list[Place]:
    return [place for w in range(order.windows(epoch)) for place in order.window(epoch, w)]


@pytest.mark.parametrize(("block", "window"), [(64, 1), (64, 100), (10, 30), (64, 1000)])
def test_an_epoch_is_a_permutation_of_all_images(block: int, window: int):
    order = Order(COUNTS, block=block, window=window, seed=1)
    assert order.images == 300
    for epoch in (0, 7):
        assert sorted(epoch_of(order, epoch)) == stored(COUNTS, block)


def test_seeds_and_epochs_differ_and_repeat():
    epochs = [epoch_of(Order(COUNTS, block=10, window=30, seed=seed), epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(one != other for one, other in itertools.combinations(epochs, 2))
    assert epoch_of(Order(COUNTS, block=10, window=30, seed=1), 1) == epochs[3]


def test_a_window_is_found_by_position_and_reads_its_own_blocks_only():
    order = Order(COUNTS, block=10, window=30, seed=2)
    position = 0
    for window in range(order.windows(3)):
        places = order.window(3, window)
        assert order.start(3, window) == position
        assert order.window_of(3, position) == order.window_of(3, position + len(places) - 1) == window
        assert {place[:2] for place in places} == set(order.blocks(3, window))
        assert window == order.windows(3) - 1 or 20 < len(places) < 40
        position += len(places)
    assert position == 300


def test_a_window_mixes_blocks_from_anywhere():
    order = Order([640] * 10, block=64, window=512, seed=0)
    shards = [{shard for shard, _ in order.blocks(0, window)} for window in range(order.windows(0))]
    assert sum(len(origins) for origins in shards) / len(shards) > 4  # 8 blocks from 10 shards
    first = [place[:2] for place in order.window(0, 0)[:64]]
    assert len(set(first)) == 8


def test_without_a_seed_the_order_is_the_stored_one():
    order = Order(COUNTS, block=10, window=30, seed=None)
    assert epoch_of(order, 0) == epoch_of(order, 5) == stored(COUNTS, 10)
