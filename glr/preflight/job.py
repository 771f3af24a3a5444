"""A run's preflight: look up the size of its data set, compile its step, and estimate."""

from collections.abc import Callable

from omegaconf import DictConfig

from glr import storage
from glr.config.identity import debugged
from glr.data.prepared import MANIFEST, PreparedData
from glr.errors import GlrError
from glr.preflight.compiling import Compiled
from glr.preflight.estimation import Estimate, Workload, estimate, fits, guessed_batch
from glr.preflight.measuring import Step
from glr.preflight.topology import TOPOLOGIES
from glr.preflight.tracing import Traced

_COLOUR_AND_LABEL = 4 * (3 * 4 + 1)  # bytes of an image's colours and label
_NEAR = 16  # a search ends when the fitting and the refused number differ by at most a 16th


def preflight(config: DictConfig, compiler: Callable[[Step], tuple[Traced, Compiled]]) -> Estimate:
    """Compile a run's train step and estimate what the run needs.

    Args:
        config: composed from conf/preflight.yaml.
        compiler: a `Compiler`, shared by the runs of a sweep.

    Raises:
        GlrError: the TPU does not support the batch or the precision, the data set's size is unknown, or the step does
            not compile.
    """
    settings, topology = config.preflight, TOPOLOGIES[config.preflight.topology.value]
    classes, images = train_set(config)
    _check(config, topology.cores, images)
    image_bytes = (3 * config.data.image_size**2 + _COLOUR_AND_LABEL) * config.train.steps_per_execution

    def compiled(batch_size: int) -> tuple[Workload, Traced, Compiled]:
        work = Workload(batch_size, images, config.train.epochs, image_bytes)
        job = config.copy()
        job.train.batch_size = batch_size
        return work, *compiler(Step(job, settings.topology.value, classes, work.steps_per_epoch))

    work, traced, program = compiled(config.train.batch_size)
    largest = None
    if settings.largest_batch:
        guess = guessed_batch(program, topology, work) // topology.cores
        share = largest_share(lambda share: fits(compiled(share * topology.cores)[-1], topology), guess)
        largest = share * topology.cores
    return estimate(
        traced,
        program,
        topology,
        work,
        host_images_per_core=settings.host_images_per_core,
        price_per_hour=settings.price_per_hour,
        largest_batch=largest,
    )


def _check(config: DictConfig, cores: int, images: int) -> None:
    """Refuse a debug run, and a batch or a precision that the TPU does not support."""
    batch_size = config.train.batch_size
    if debugged(config, {}):
        raise GlrError("debug: preflight estimates whole runs; leave debug and its settings out")
    if batch_size % cores:
        raise GlrError(
            f"train.batch_size={batch_size} is the global batch; give a multiple of the {cores} replicas of "
            f"{config.preflight.topology.value}"
        )
    if config.train.precision.value == "mixed_float16":
        raise GlrError("train.precision=mixed_float16: a TPU computes in bfloat16; give mixed_bfloat16")
    if images < batch_size:
        raise GlrError(
            f"train.batch_size={batch_size}, but there are only {images} train images; lower train.batch_size"
        )


def train_set(config: DictConfig) -> tuple[int, int]:
    """Return the train set's numbers of classes and images: as given, else as prepared, else as published.

    Raises:
        GlrError: the numbers are unknown.
    """
    given = config.preflight.classes, config.preflight.images
    if None not in given:
        return given
    known = config.preflight.published_classes, config.preflight.published_images
    if storage.exists(storage.join(config.data.path, MANIFEST)):
        data = PreparedData(config.data.path)
        images = data.images("train") + (data.images("validation") if config.data.train_on_validation else 0)
        known = data.classes, images
    classes, images = (k if g is None else g for g, k in zip(given, known, strict=True))
    if classes is None or images is None:
        raise GlrError(
            f"data.path={config.data.path} holds no prepared set: give preflight.classes and preflight.images"
        )
    return classes, images


def largest_share(fits: Callable[[int], bool], guess: int) -> int:
    """Find the largest number of images per core that fits, to within a 16th; 0 if not even one image fits.

    Args:
        fits: returns True if a number of images per core fits; each call compiles the step.
        guess: the number to try first.
    """
    fitting, refused, candidate = 0, None, max(guess, 1)
    while True:
        if fits(candidate):
            fitting = candidate
        else:
            refused = candidate
        candidate = fitting + max(fitting // 4, 1) if refused is None else (fitting + refused) // 2
        if refused is not None and refused - fitting <= max(fitting // _NEAR, 1):
            return fitting
