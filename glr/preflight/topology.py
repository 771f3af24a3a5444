"""The TPUs that a run can be compiled for, and the limits of their chips."""

from dataclasses import dataclass

GIB = 2**30
# Links of a chip in a corner of these slices, which has the fewest neighbours.
_LINKS = 2


@dataclass(frozen=True)
class Topology:
    """A slice of one host.

    Attributes:
        layout: the compiler's name of the slice.
        cores: cores that train, each with a replica; a chip's two cores work as one on v4 and v5p.
        chips: chips of the slice.
        memory: GiB of a core that a program may use, as the compiler reports when it refuses a larger program.
        peak: bfloat16 TFLOP/s of a chip.
        bandwidth: GB/s between a chip and its memory.
        link: GB/s between two chips, each way.
        clock: MHz; None where it is not published.
        chip_config: the compiler's name of the chip's core mode, if Cloud TPUs do not use its default.
    """

    layout: str
    cores: int
    chips: int
    memory: float
    peak: float
    bandwidth: float
    link: float
    clock: float | None = None
    chip_config: str | None = None

    @property
    def core_peak(self) -> float:
        """bfloat16 FLOP/s of a core."""
        return self.peak * 1e12 * self.chips / self.cores

    def exchange_seconds(self, size: int) -> float:
        """Estimate the time in which the chips add up `size` bytes of gradients from each core.

        A ring moves 2 (n - 1) / n of these bytes through every chip (Patarasuk and Yuan, 2009), over all links at once.
        """
        return 2 * (self.chips - 1) / self.chips * size / (_LINKS * self.link * 1e9)


# Peak, memory bandwidth and links: cloud.google.com/tpu/docs, its pages v2 to v6e; links of v2 and v3: Jouppi et al.,
# CACM 63(7), 2020, 496 and 656 Gbit/s each way. Clocks: the same sources, and Jouppi et al., ISCA 2023 (v4).
TOPOLOGIES = {
    "v2-8": Topology("v2:2x2", cores=8, chips=4, memory=7.48, peak=45, bandwidth=700, link=62, clock=700),
    "v3-8": Topology("v3:2x2", cores=8, chips=4, memory=15.48, peak=123, bandwidth=900, link=82, clock=940),
    "v4-8": Topology("v4:2x2x1", 4, 4, 30.75, 275, bandwidth=1200, link=50, clock=1050, chip_config="megacore"),
    "v5e-8": Topology("v5e:2x4", cores=8, chips=8, memory=15.75, peak=197, bandwidth=819, link=50),
    "v5p-8": Topology("v5p:2x2x1", cores=4, chips=4, memory=95.73, peak=459, bandwidth=2765, link=100),
    "v6e-8": Topology("v6e:2x4", cores=8, chips=8, memory=31.24, peak=918, bandwidth=1600, link=100),
}
