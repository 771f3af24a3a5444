"""Weather: the light of one photo, its rain or snow, and the camera's effects."""

from typing import NamedTuple

import cv2
import numpy as np

from glr.demo.canvas import Canvas, colours


class Climate(NamedTuple):
    """One kind of light."""

    weight: float  # relative frequency
    colours: np.ndarray  # [4, 3]: the sky at the top, the sky at the horizon, the sun, and light from all sides
    height: tuple[float, float]  # height of the sun, degrees
    fog: tuple[float, float] = (0.0, 0.15)
    lamps: float = 0.0
    falls: str = ""


CLIMATES = (
    Climate(5, colours("3373e0 add6f7 b2ab9e 808591"), (35, 70)),
    Climate(3, colours("73a6e6 f7e6c2 c7a880 7a7d8a"), (15, 35)),
    Climate(2, colours("6680bf ffbd70 e69e5c 7a7075"), (8, 20)),
    Climate(2, colours("47387a ff7042 bf6b4c 856e7a"), (4, 12), lamps=0.3),
    Climate(2, colours("121c57 5c5794 1a1a24 666e99"), (4, 12), lamps=0.8),
    Climate(2, colours("03050f 121229 1a1c26 454761"), (20, 60), lamps=1.0),
    Climate(3, colours("a8b0bd ccd1d6 262626 b2b5bd"), (30, 70), fog=(0.0, 0.2)),
    Climate(2, colours("38404f 757d85 262629 8c919c"), (30, 60), fog=(0.1, 0.3), falls="rain"),
    Climate(2, colours("bdc2c9 cccfd1 0d0d0d a8abb0"), (30, 60), fog=(0.3, 0.5)),
    Climate(2, colours("a8b5c7 d6dee8 262626 a8b0c2"), (20, 40), fog=(0.1, 0.3), falls="snow"),
    Climate(1, colours("bd945c e6c285 998057 8a7a61"), (20, 60), fog=(0.15, 0.35)),
)
LAMP = np.array([1.0, 0.82, 0.45])


class Light:
    """The time of day and the weather of one photo, drawn by `rng`: colours RGB [3] from 0 to 1."""

    def __init__(self, rng: np.random.Generator):
        weights = np.array([climate.weight for climate in CLIMATES])
        climate = CLIMATES[rng.choice(len(CLIMATES), p=weights / weights.sum())]
        height, azimuth = np.radians(rng.uniform(*climate.height)), rng.uniform(0, 2 * np.pi)
        tint, flood = rng.uniform(0.92, 1.08, 3), rng.uniform(0.3, 0.8) * max(0.0, climate.lamps - 0.3)
        top, self.sky_low, sun, ambient = climate.colours * (tint, tint, np.ones(3), tint)
        self.sky_top, sun = top * rng.uniform(0.8, 1.15), sun * rng.uniform(0.6, 1.2)
        # The camera exposes for the objects, not for the sky.
        exposure = rng.uniform(0.85, 1.1) / ((0.5 * sun + ambient + flood * LAMP).mean() ** 0.75)
        self.sun, self.ambient = sun * exposure, ambient * exposure
        self.floodlit = flood * exposure * (LAMP + rng.uniform(-0.2, 0.2, 3))  # on the landmark only
        # A unit vector towards the sun.
        self.direction = np.array([*(np.cos(height) * np.array([np.cos(azimuth), np.sin(azimuth)])), np.sin(height)])
        self.fog = rng.uniform(*climate.fog)  # share of the haze in a colour at distance 1
        self.lamps = climate.lamps  # how brightly windows shine
        self.falls = climate.falls  # "rain", "snow" or nothing

    def on(self, colour: np.ndarray, distance: float) -> np.ndarray:
        """Return an upright thing's colour at a distance: 0 at the camera, 1 at the landmark, above 1 behind it."""
        return self.hazed(colour * (self.ambient + 0.45 * self.sun), distance)

    def on_faces(self, colours: np.ndarray, normals: np.ndarray, lit: np.ndarray) -> np.ndarray:
        """Return the colours [F, 3] of the landmark's faces in this light; unit `normals` [F, 3], `lit` bool [F]."""
        towards = np.maximum(normals @ self.direction, 0)[:, None]
        up = 0.8 + 0.2 * normals[:, 2:]
        shaded = colours * (self.ambient * up + self.sun * towards + self.floodlit)
        return self.hazed(np.where(lit[:, None], np.maximum(shaded, self.lamps * LAMP), shaded), 1.0)

    def hazed(self, colours: np.ndarray, distance: float) -> np.ndarray:
        """Return colours [..., 3] as seen through the haze."""
        return colours + (self.sky_low - colours) * (1 - (1 - self.fog) ** distance)


def fall(canvas: Canvas, light: Light, rng: np.random.Generator) -> None:
    """Draw rain or snow in the air."""
    count, unit = rng.integers(20, 90) if light.falls else 0, canvas.height / 100
    boxes = rng.random((count, 4)) * (canvas.width, canvas.height, 0, 0)
    if light.falls == "rain":
        boxes[:, 2:] = unit * rng.uniform((-5, 5), (5, 14))
        canvas.copies("slash", boxes, light.hazed(light.sky_low, 0.5) * 1.15)
    else:
        boxes[:, 2:] = unit * rng.uniform(1, 2.5) * (0.5 + rng.random((count, 1)))
        canvas.copies("round", boxes, np.ones(3))


def develop(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply the camera's blur, gamma, saturation, contrast, balance, vignette and noise to uint8 RGB [H, W, 3]."""
    image = pixels.astype(np.float32) / 255
    height, width = image.shape[:2]
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.6))
    image **= np.float32(np.exp(rng.normal(0, 0.1)))
    grey = image.mean(2, keepdims=True)
    image = grey + (image - grey) * np.float32(rng.uniform(0.75, 1.2))
    image = (image - grey.mean()) * np.float32(rng.uniform(0.8, 1.15)) + grey.mean()
    image *= np.exp(rng.normal(0, 0.05, 3) + rng.normal(0, 0.05)).astype(np.float32)
    y, x = np.linspace(-1, 1, height)[:, None, None], np.linspace(-1, 1, width)[:, None]
    image *= (1 - max(0.0, rng.uniform(-0.3, 0.2)) * (x**2 + y**2)).astype(np.float32)
    image += rng.standard_normal(image.shape, np.float32) * np.float32(abs(rng.normal(0, 0.01)))
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
