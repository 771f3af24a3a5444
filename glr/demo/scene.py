"""Scenes: one landmark, and photos of it from many sides in many kinds of weather."""

import cv2
import numpy as np

from glr.demo.buildings import KINDS, OVER_WATER
from glr.demo.canvas import Canvas
from glr.demo.site import Site
from glr.demo.solid import Mesh
from glr.demo.surroundings import elsewhere, landscape, scatter
from glr.demo.things import NEIGHBOURS, OCCLUDERS
from glr.demo.weather import Light, develop, fall

OVERSAMPLING = 2  # pixels drawn per pixel of the photo, in each direction
FORMATS = np.array([(3, 4), (4, 3), (4, 5), (5, 4), (1, 1)])  # height to width


class Landmark:
    """A building, drawn by `rng`: its bodies keep their shape, ornament and colours in every photo."""

    def __init__(self, rng: np.random.Generator):
        self.kind = list(KINDS)[rng.integers(len(KINDS))]
        self.mesh = Mesh(Site(KINDS[self.kind], rng).bodies)
        width, _, height = np.ptp(self.mesh.points, axis=0)
        self.aspect = float(width / height)  # seen from the front


def photograph(landmark: Landmark | None, rng: np.random.Generator, size: int) -> np.ndarray:
    """Take a photo: uint8 RGB [H, W, 3].

    Args:
        landmark: the landmark to show; None: a place without one.
        rng: draws everything else: the format, the camera, the weather and the surroundings.
        size: the long side, pixels.
    """
    # Tall buildings mostly get photos in portrait format.
    aspect = np.clip(landmark.aspect, 0.6, 1.6) if landmark else 1.0
    weights = np.exp(-2 * np.log(FORMATS[:, 1] / FORMATS[:, 0] / aspect) ** 2)
    share = FORMATS[rng.choice(len(FORMATS), p=weights / weights.sum())]
    height, width = (int(side) for side in np.rint(size * share / share.max()))
    canvas = Canvas(height * OVERSAMPLING, width * OVERSAMPLING)
    light = Light(rng)
    if landmark:
        _scene(canvas, landmark, light, rng)
    else:
        elsewhere(canvas, light, rng)
    return develop(cv2.resize(canvas.pixels, (width, height), interpolation=cv2.INTER_AREA), rng)


class _Camera:
    """A random position in front of a landmark, with a view that fits a frame of width and height [2] in pixels."""

    def __init__(self, mesh: Mesh, frame: np.ndarray, rng: np.random.Generator):
        yaw, roll, distance = np.radians(rng.uniform(-40, 40)), np.radians(rng.normal(0, 1.5)), rng.uniform(1.4, 4.0)
        rise = rng.uniform(0.03, 0.35) if rng.random() < 0.65 else distance * np.tan(np.radians(rng.uniform(8, 28)))
        self.eye = np.array([distance * np.sin(yaw), -distance * np.cos(yaw), rise])
        ahead = np.array([0, 0, rise + rng.uniform(0.2, 1.0) * (0.45 - rise)]) - self.eye
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, (np.sin(roll), 0, np.cos(roll)))
        right /= np.linalg.norm(right)
        self._axes = np.stack([right, np.cross(ahead, right), ahead])
        self._scale, self._corner = 1.0, np.zeros(2)
        places = self.places(mesh.points)
        low, high = places.min(0), places.max(0)
        self._scale = min(rng.uniform((0.8, 0.75), (1.0, 1.0)) * frame / (high - low))
        self._scale *= rng.uniform(1.1, 1.3) if rng.random() < 0.1 else 1  # sometimes too close
        room = frame - self._scale * (high - low)
        # Anywhere from left to right, but rarely near the top.
        corner = room * rng.uniform((0.1, 0.4), (0.9, 1.0)) + frame * rng.uniform(-0.04, 0.04, 2)
        self._corner = corner - low * self._scale
        level = self.eye + 1000 * self._axes[2] * (1, 1, 0)
        self.horizon = float(self.places(level[None])[0, 1])  # a row

    def places(self, points: np.ndarray) -> np.ndarray:
        """Project points [P, 3] onto the picture: pixels [P, 2]."""
        seen = (points - self.eye) @ self._axes.T
        return seen[:, :2] / np.maximum(seen[:, 2:], 0.05) * self._scale + self._corner


def _scene(canvas: Canvas, landmark: Landmark, light: Light, rng: np.random.Generator) -> None:
    mesh = landmark.mesh
    camera = _Camera(mesh, np.array([canvas.width, canvas.height]), rng)
    landscape(canvas, light, camera.horizon, landmark.kind in OVER_WATER, rng)
    if rng.random() < 0.5:
        scatter(canvas, light, camera.horizon, NEIGHBOURS, rng)
    lit = mesh.glow & (rng.random(len(mesh.glow)) < rng.uniform(0.4, 1.0))
    shades = light.on_faces(mesh.colours, mesh.normals, lit)
    canvas.facets(camera.places(mesh.points), mesh.ends, shades, mesh.visible(camera.eye))
    for i in rng.choice(len(OCCLUDERS), rng.choice([0, 0, 1, 1, 2]), replace=False):
        scatter(canvas, light, camera.horizon, OCCLUDERS[i], rng)
    fall(canvas, light, rng)
