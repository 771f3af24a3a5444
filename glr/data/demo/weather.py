"""Weather: the light of one photo, what falls from its sky, and how the camera develops it."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from glr.data.demo.canvas import Canvas


class _Climate(NamedTuple):
    """One kind of light; colours RGB 0 to 1, angles in degrees."""

    weight: float
    sky_top: tuple[float, float, float]
    sky_low: tuple[float, float, float]
    sun: tuple[float, float, float]
    ambient: tuple[float, float, float]
    height: tuple[float, float]  # of the sun
    fog: tuple[float, float] = (0.0, 0.15)  # share of the haze in the colour of what stands in the middle distance
    lamps: float = 0.0
    falls: str = ""


CLIMATES = (
    _Climate(5, (0.20, 0.45, 0.88), (0.68, 0.84, 0.97), (0.70, 0.67, 0.62), (0.50, 0.52, 0.57), (35, 70)),
    _Climate(3, (0.45, 0.65, 0.90), (0.97, 0.90, 0.76), (0.78, 0.66, 0.50), (0.48, 0.49, 0.54), (15, 35), (0.0, 0.2)),
    _Climate(2, (0.40, 0.50, 0.75), (1.00, 0.74, 0.44), (0.90, 0.62, 0.36), (0.48, 0.44, 0.46), (8, 20)),
    _Climate(2, (0.28, 0.22, 0.48), (1.00, 0.44, 0.26), (0.75, 0.42, 0.30), (0.52, 0.43, 0.48), (4, 12), lamps=0.3),
    _Climate(2, (0.07, 0.11, 0.34), (0.36, 0.34, 0.58), (0.10, 0.10, 0.14), (0.40, 0.43, 0.60), (4, 12), lamps=0.8),
    _Climate(2, (0.01, 0.02, 0.06), (0.07, 0.07, 0.16), (0.10, 0.11, 0.15), (0.27, 0.28, 0.38), (20, 60), lamps=1.0),
    _Climate(3, (0.66, 0.69, 0.74), (0.80, 0.82, 0.84), (0.15, 0.15, 0.15), (0.70, 0.71, 0.74), (30, 70), (0.0, 0.2)),
    _Climate(
        2,
        (0.22, 0.25, 0.31),
        (0.46, 0.49, 0.52),
        (0.15, 0.15, 0.16),
        (0.55, 0.57, 0.61),
        (30, 60),
        (0.1, 0.3),
        falls="rain",
    ),
    _Climate(2, (0.74, 0.76, 0.79), (0.80, 0.81, 0.82), (0.05, 0.05, 0.05), (0.66, 0.67, 0.69), (30, 60), (0.3, 0.5)),
    _Climate(
        2,
        (0.66, 0.71, 0.78),
        (0.84, 0.87, 0.91),
        (0.15, 0.15, 0.15),
        (0.66, 0.69, 0.76),
        (20, 40),
        (0.1, 0.3),
        falls="snow",
    ),
    _Climate(1, (0.74, 0.58, 0.36), (0.90, 0.76, 0.52), (0.60, 0.50, 0.34), (0.54, 0.48, 0.38), (20, 60), (0.15, 0.35)),
)
LAMP = np.array([1.0, 0.82, 0.45])


@dataclass(frozen=True)
class Light:
    """What shines on a scene: colours RGB [3] from 0 to 1."""

    sky_top: np.ndarray
    sky_low: np.ndarray
    sun: np.ndarray
    ambient: np.ndarray
    direction: np.ndarray  # [3], to the sun, a unit vector
    fog: float  # share of the haze in the colour of what stands in the middle distance
    lamps: float  # how brightly windows shine
    floodlit: np.ndarray  # RGB [3], on the landmark only
    falls: str  # "rain", "snow" or nothing

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Light":
        """Draw the time of day and the weather."""
        weights = np.array([climate.weight for climate in CLIMATES])
        climate = CLIMATES[rng.choice(len(CLIMATES), p=weights / weights.sum())]
        height, azimuth = np.radians(rng.uniform(*climate.height)), rng.uniform(0, 2 * np.pi)
        tint = rng.uniform(0.92, 1.08, 3)
        flood = rng.uniform(0.3, 0.8) * max(0.0, climate.lamps - 0.3)
        # Whoever takes the photo exposes for what stands in front of the sky.
        sun, ambient = np.array(climate.sun) * rng.uniform(0.6, 1.2), np.array(climate.ambient) * tint
        exposure = rng.uniform(0.85, 1.1) / ((0.5 * sun + ambient + flood * LAMP).mean() ** 0.75)
        return cls(
            sky_top=np.array(climate.sky_top) * tint * rng.uniform(0.8, 1.15),
            sky_low=np.array(climate.sky_low) * tint,
            sun=sun * exposure,
            ambient=ambient * exposure,
            direction=np.array([np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth), np.sin(height)]),
            fog=rng.uniform(*climate.fog),
            lamps=climate.lamps,
            floodlit=flood * exposure * (LAMP + rng.uniform(-0.2, 0.2, 3)),
            falls=climate.falls,
        )

    def on(self, colour: np.ndarray, distance: float) -> np.ndarray:
        """How a colour of something upright looks: distance 0 at the camera, 1 at the landmark, more behind it."""
        return self.hazed(colour * (self.ambient + 0.45 * self.sun), distance)

    def on_faces(self, colours: np.ndarray, normals: np.ndarray, lit: np.ndarray) -> np.ndarray:
        """How the landmark's faces look: [F, 3] of colours, unit normals [F, 3] and which shine of themselves [F]."""
        towards = np.maximum(normals @ self.direction, 0)[:, None]
        up = 0.8 + 0.2 * normals[:, 2:]
        shaded = colours * (self.ambient * up + self.sun * towards + self.floodlit)
        return self.hazed(np.where(lit[:, None], np.maximum(shaded, self.lamps * LAMP), shaded), 1.0)

    def hazed(self, colours: np.ndarray, distance: float) -> np.ndarray:
        """Colours [..., 3] seen through the air."""
        share = 1 - (1 - self.fog) ** distance
        return colours + (self.sky_low - colours) * share


def fall(canvas: Canvas, light: Light, rng: np.random.Generator) -> None:
    """Draw rain or snow in the air."""
    unit = canvas.height / 100
    if light.falls == "rain":
        count, length, slant = rng.integers(15, 70), unit * rng.uniform(5, 14), rng.uniform(-0.4, 0.4)
        starts = rng.random((count, 2)) * (canvas.width, canvas.height)
        for x, y in starts:
            canvas.line([(x, y), (x + slant * length, y + length)], light.hazed(light.sky_low, 0.5) * 1.15, 1)
    elif light.falls == "snow":
        count, size = rng.integers(30, 110), unit * rng.uniform(0.5, 1.3)
        for x, y, share in rng.random((count, 3)):
            canvas.disc(x * canvas.width, y * canvas.height, size * (0.5 + share), np.ones(3))


def develop(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The camera's part: white balance, exposure, contrast, saturation, vignette, blur and noise.

    Args:
        pixels: uint8 RGB [H, W, 3].
        rng: draws the camera.

    Returns:
        uint8 RGB [H, W, 3].
    """
    image = pixels.astype(np.float32) / 255
    height, width = image.shape[:2]
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.6))
    image **= np.float32(np.exp(rng.normal(0, 0.1)))
    grey = image.mean(2, keepdims=True)
    image = grey + (image - grey) * np.float32(rng.uniform(0.75, 1.2))
    gains = np.exp(rng.normal(0, 0.05, 3) + rng.normal(0, 0.05))
    image = (image - grey.mean()) * np.float32(rng.uniform(0.8, 1.15)) + grey.mean()
    image *= gains.astype(np.float32)
    if rng.random() < 0.4:
        y, x = np.linspace(-1, 1, height), np.linspace(-1, 1, width)
        image *= (1 - rng.uniform(0.1, 0.4) * (x[None] ** 2 + y[:, None] ** 2) / 2)[..., None].astype(np.float32)
    image += rng.standard_normal(image.shape, np.float32) * np.float32(abs(rng.normal(0, 0.01)))
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
