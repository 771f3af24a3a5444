"""Where a run computes: each choice of the group is a function that returns a `tf.distribute.Strategy`."""

import signal
import threading
from collections.abc import Sequence

import tensorflow as tf

from glr.config.installation import pip_install
from glr.devices.tpu import connected, is_held
from glr.devices.workers import from_environment
from glr.errors import GlrError, first_line


def auto() -> tf.distribute.Strategy:
    """A local TPU where there is one, else all GPUs, else the CPU."""
    if tf.config.list_physical_devices("TPU") or is_held():
        return tpu("local", None, None)  # or why not: nobody wants weeks on the CPU beside a TPU that is in use
    return gpu() if tf.config.list_physical_devices("GPU") else cpu(1)


def cpu(replicas: int) -> tf.distribute.Strategy:
    """The CPU; with several replicas as so many logical devices.

    Raises:
        ValueError: TensorFlow has started already with another number of devices.
    """
    _without_graph_optimizer()
    if replicas == 1:
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    device = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * replicas)
    except RuntimeError as error:
        raise ValueError(f"strategy.replicas={replicas}: {error}") from error
    return tf.distribute.MirroredStrategy([f"/cpu:{i}" for i in range(replicas)])


def gpu() -> tf.distribute.Strategy:
    """All GPUs of this machine.

    Raises:
        GlrError: TensorFlow sees none.
    """
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        raise GlrError(f"strategy=gpu: TensorFlow sees none; does `nvidia-smi` list one? CUDA: {pip_install('gpu')}")
    _growing(devices)
    return tf.distribute.MirroredStrategy() if len(devices) > 1 else tf.distribute.OneDeviceStrategy("/gpu:0")


def tpu(tpu: str, zone: str | None, project: str | None) -> tf.distribute.Strategy:
    """A Cloud TPU: `local` on a TPU VM, else by name (with its zone and project) or as grpc://HOST:8470.

    Raises:
        GlrError: it cannot be found or used.
    """
    return connected(tpu, zone, project)


def multi_worker() -> tf.distribute.Strategy:
    """All workers that TF_CONFIG names, with all GPUs of each or its CPU; waits for them.

    Raises:
        GlrError: it names none, or they cannot be reached.
    """
    from_environment()
    gpus = tf.config.list_physical_devices("GPU")
    _growing(gpus) if gpus else _without_graph_optimizer()
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        reason = first_line(error)
        raise GlrError(f"strategy=multi_worker: the workers of TF_CONFIG do not come together ({reason})") from error
    if threading.current_thread() is threading.main_thread():
        # TensorFlow has put a handler of its own, which swallows the signal, in the place of Python's.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return strategy


def _without_graph_optimizer() -> None:
    """It costs 10 s at the first step of DenseNet201 and gains nothing on a CPU."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _growing(gpus: Sequence[object]) -> None:
    """Let TensorFlow take their memory as it needs it, not all at once."""
    for device in gpus:
        tf.config.experimental.set_memory_growth(device, True)
