"""Strategies on a machine with only a CPU, and the errors for strategies that it cannot provide."""

import pytest
import tensorflow as tf

from glr.devices import strategy
from glr.errors import GlrError

without_gpu = pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU")


@without_gpu
@pytest.mark.parametrize("choose", [strategy.auto, lambda: strategy.cpu(1)], ids=["auto", "cpu"])
def test_one_cpu(choose):
    chosen = choose()
    assert chosen.num_replicas_in_sync == 1
    device = chosen.run(lambda: tf.constant(1.0)).device
    assert device.endswith("CPU:0")


def test_replicas_are_asked_for_before_tensorflow_starts():
    tf.constant(1.0)  # starts it
    count = len(tf.config.list_logical_devices("CPU")) + 1
    with pytest.raises(ValueError, match=rf"^strategy\.replicas={count}: .*initialized"):
        strategy.cpu(count)


@without_gpu
def test_no_gpu():
    with pytest.raises(GlrError, match=r"^strategy=gpu: TensorFlow sees no GPU; does `nvidia-smi` list one"):
        strategy.gpu()


def test_several_workers_need_their_names(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(GlrError, match=r"^strategy=multi_worker: TF_CONFIG is not set"):
        strategy.multi_worker()
