"""Balanced batches: P classes of K images, by a formula of seed, epoch and number."""

import numpy as np
import pytest

from glr.data.balanced import BalancedOrder
from glr.errors import GlrError

# Class 0 has 9 images, 1 none, 2 one, 3 two, 4 to 9 have 5 each; stored in a mixed order.
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10), [9, 0, 1, 2, 5, 5, 5, 5, 5, 5]))


def order(seed: int = 3, each: int = 4) -> BalancedOrder:
    return BalancedOrder(LABELS, batch_size=3 * each, images_per_class=each, seed=seed)


def test_a_batch_has_distinct_images_of_distinct_classes():
    made = order()
    assert made.classes == 8
    for epoch, number in ((0, 0), (0, 1), (2, 0), (2, 99)):
        records = made.batch(epoch, number)
        classes, counts = np.unique(LABELS[records], return_counts=True)
        assert counts.tolist() == [4, 4, 4]
        assert not {1, 2} & set(classes)  # no image, and none to compare with
        for label in classes:
            own = records[LABELS[records] == label]
            assert len(set(own)) == (2 if label == 3 else 4)  # two images, each twice
        assert np.any(np.diff(LABELS[records]) != 0)
        assert LABELS[records].tolist() != sorted(LABELS[records])


def test_classes_take_turns_and_images_are_drawn_evenly():
    made = order()
    for turn in range(20):  # 8 // 3 = 2 batches of 3 of the 8 classes
        two = [set(LABELS[made.batch(1, 2 * turn + n)]) for n in range(2)]
        assert len(two[0] | two[1]) == 6
    drawn = np.bincount(np.concatenate([made.batch(0, n) for n in range(800)]), minlength=len(LABELS))
    expected = np.array([800 * 12 / 8 / np.sum(label == LABELS) for label in LABELS])
    expected[LABELS == 2] = 0
    np.testing.assert_allclose(drawn, expected, rtol=0.2)


def test_seed_epoch_and_number_alone_decide():
    one, two = order(), order()
    for place in ((0, 7), (5, 0), (0, 0)):  # in any order
        np.testing.assert_array_equal(one.batch(*place), two.batch(*place))
    different = [order(4).batch(0, 0), one.batch(1, 0), one.batch(0, 1)]
    assert all(not np.array_equal(other, one.batch(0, 0)) for other in different)


def test_too_few_classes_are_refused():
    message = r"a batch needs 9 classes \(train.batch_size=36 / data.images_per_class=4\), but only 8 have several"
    with pytest.raises(GlrError, match=message):
        BalancedOrder(LABELS, batch_size=36, images_per_class=4, seed=0)
