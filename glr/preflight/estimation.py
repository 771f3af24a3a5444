"""Estimate a run from its compiled step: memory, time, host cores and price."""

from dataclasses import dataclass, replace

from glr.preflight.compiling import Compiled
from glr.preflight.topology import GIB, Topology
from glr.preflight.tracing import Traced


@dataclass(frozen=True)
class Workload:
    """The amount of work in a run.

    Attributes:
        batch_size: images per step over all replicas.
        images: number of train images.
        epochs: number of epochs.
        image_bytes: bytes of an image with its label and colours, times the steps of a call (sent together).
    """

    batch_size: int
    images: int
    epochs: int
    image_bytes: int

    @property
    def steps_per_epoch(self) -> int:
        """Full batches of an epoch."""
        return max(self.images // self.batch_size, 1)


@dataclass(frozen=True)
class Estimate:
    """The estimate for a run; memory, operations and seconds are per core and step.

    If the step does not fit, `flops` and all fields after it are None.

    Attributes:
        batch_per_core: images.
        arguments, temporaries, code: GiB; None if the compiler refused the program. Outputs that do not reuse an
            argument's memory count as temporaries.
        memory, capacity: GiB that the step needs, and GiB that a core has.
        fits: True if the step fits.
        largest_batch: the largest global batch, guessed or, on request, found by compiling.
        flops, accessed: floating-point operations, bytes moved between core and memory.
        exchange_seconds: estimated time in which the chips add up gradients, part of `step_seconds`.
        step_seconds: the compiler's cost estimate (each operation as fast as possible) plus `exchange_seconds`.
        cautious_seconds: the same from the code generators' cycle counts; None if the chip's clock is unknown.
        peak_share: share of the chip's bfloat16 peak that the step reaches.
        images_per_second: the slice's training rate, at which the host must decode and augment.
        host_cores: host cores needed for this rate.
        epoch_hours, run_hours: hours of training, without evaluation.
        price: price of the run, in the unit of the price per hour.
    """

    batch_per_core: int
    parameters: int
    arguments: float | None
    temporaries: float | None
    code: float | None
    memory: float
    capacity: float
    fits: bool
    largest_batch: int
    flops: float | None = None
    accessed: float | None = None
    exchange_seconds: float | None = None
    step_seconds: float | None = None
    cautious_seconds: float | None = None
    peak_share: float | None = None
    images_per_second: float | None = None
    host_cores: float | None = None
    epoch_hours: float | None = None
    run_hours: float | None = None
    price: float | None = None


def estimate(
    traced: Traced,
    compiled: Compiled,
    topology: Topology,
    work: Workload,
    *,
    host_images_per_core: float,
    price_per_hour: float | None,
    largest_batch: int | None = None,
) -> Estimate:
    """Estimate a run.

    Args:
        traced, compiled: the run's step.
        topology: the slice that the step was compiled for.
        work: the run's amount of work.
        host_images_per_core: images/s that a core of the host decodes and augments.
        price_per_hour: price of the slice.
        largest_batch: the result of a search; None: guess it.
    """
    space = Estimate(
        batch_per_core=work.batch_size // topology.cores,
        parameters=traced.parameters,
        arguments=None if compiled.needed else compiled.arguments / GIB,
        temporaries=None if compiled.needed else (compiled.temporaries + compiled.outputs) / GIB,
        code=None if compiled.needed else compiled.code / GIB,
        memory=compiled.memory / GIB,
        capacity=topology.memory,
        fits=fits(compiled, topology),
        largest_batch=guessed_batch(compiled, topology, work) if largest_batch is None else largest_batch,
    )
    if not space.fits:
        return space
    exchange = topology.exchange_seconds(traced.exchanged)
    seconds = compiled.seconds + exchange
    epoch_hours = work.steps_per_epoch * seconds / 3600
    return replace(
        space,
        flops=compiled.flops,
        accessed=compiled.accessed,
        exchange_seconds=exchange,
        step_seconds=seconds,
        cautious_seconds=topology.clock and compiled.cycles / (topology.clock * 1e6) + exchange,
        peak_share=compiled.flops / seconds / topology.core_peak,
        images_per_second=work.batch_size / seconds,
        host_cores=work.batch_size / seconds / host_images_per_core,
        epoch_hours=epoch_hours,
        run_hours=work.epochs * epoch_hours,
        price=price_per_hour and work.epochs * epoch_hours * price_per_hour,
    )


def fits(compiled: Compiled, topology: Topology) -> bool:
    """Return True if the step fits into the memory of a core."""
    return not compiled.needed and compiled.memory <= topology.memory * GIB


def guessed_batch(compiled: Compiled, topology: Topology, work: Workload) -> int:
    """Guess the largest global batch, assuming that all temporaries grow with the batch, as most of them do."""
    share = work.batch_size // topology.cores
    growing = share * work.image_bytes + (compiled.temporaries or compiled.needed)
    constant = compiled.memory - growing if not compiled.needed else 0
    return topology.cores * max(int((topology.memory * GIB - constant) / growing * share), 0)
