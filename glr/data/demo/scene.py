"""Scenes: one landmark, and photos of it from many sides in many kinds of weather."""

import cv2
import numpy as np

from glr.data.demo import buildings, structures
from glr.data.demo.canvas import Canvas
from glr.data.demo.elsewhere import PLACES
from glr.data.demo.site import Site
from glr.data.demo.solid import Mesh
from glr.data.demo.surroundings import backdrop, ground, house, occlude, sky
from glr.data.demo.weather import Light, develop, fall

_KINDS = buildings.KINDS + structures.KINDS
OVERSAMPLING = 2  # drawn so many times larger than the photo, each way
FORMATS = np.array([(3, 4), (4, 3), (4, 5), (5, 4), (1, 1)])  # height to width


class Landmark:
    """A building: its bodies keep their shape, ornament and colours in every photo.

    Args:
        rng: draws the building.
    """

    def __init__(self, rng: np.random.Generator):
        kind = _KINDS[rng.integers(len(_KINDS))]
        site = Site(rng)
        kind(site)
        self.kind = kind.__name__
        self.over_water = self.kind in ("viaduct", "suspension")
        self.mesh = Mesh.of(site.bodies)

    @property
    def aspect(self) -> float:
        """Width to height, seen from the front."""
        extent = np.ptp(self.mesh.points, axis=0)
        return float(extent[0] / extent[2])


def photograph(landmark: Landmark | None, rng: np.random.Generator, size: int) -> np.ndarray:
    """Take a photo.

    Args:
        landmark: what it shows; None: a photo without a landmark.
        rng: draws everything else: the format, the camera, the light, the weather, what is around.
        size: the long side, pixels.

    Returns:
        uint8 RGB [H, W, 3].
    """
    height, width = _format(landmark, rng, size)
    canvas = Canvas(height * OVERSAMPLING, width * OVERSAMPLING)
    light = Light.draw(rng)
    if landmark is None:
        PLACES[rng.integers(len(PLACES))](canvas, light, rng)
    else:
        _scene(canvas, landmark, light, rng)
    fall(canvas, light, rng)
    return develop(cv2.resize(canvas.pixels, (width, height), interpolation=cv2.INTER_AREA), rng)


def _format(landmark: Landmark | None, rng: np.random.Generator, size: int) -> tuple[int, int]:
    """Draw a photo's height and width: tall buildings mostly stand upright on it."""
    aspect = 1.0 if landmark is None else np.clip(landmark.aspect, 0.6, 1.6)
    apart = np.log(FORMATS[:, 1] / FORMATS[:, 0] / aspect)
    weights = np.exp(-2 * apart**2)
    share = FORMATS[rng.choice(len(FORMATS), p=weights / weights.sum())]
    height, width = np.rint(size * share / share.max()).astype(int)
    return int(height), int(width)


def _scene(canvas: Canvas, landmark: Landmark, light: Light, rng: np.random.Generator) -> None:
    mesh = landmark.mesh
    eye, axes = _stand(rng)
    places, infinity = _project(mesh.points, eye, axes)
    low, high = places.min(0), places.max(0)
    frame = np.array([canvas.width, canvas.height])
    scale = min(rng.uniform((0.8, 0.75), (1.0, 1.0)) * frame / (high - low))
    if rng.random() < 0.1:  # too close
        scale *= rng.uniform(1.1, 1.3)
    room = frame - scale * (high - low)
    # To the side anywhere, to the top rarely.
    corner = room * rng.uniform((0.1, 0.4), (0.9, 1.0)) + frame * rng.uniform(-0.04, 0.04, 2)
    places = (places - low) * scale + corner
    tilt = np.radians(rng.normal(0, 1.5))
    middle = places.mean(0)
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    places = (places - middle) @ turn + middle
    horizon = float((infinity - low[1]) * scale + corner[1])
    foot = float(places[:, 1].max())

    sky(canvas, light, min(max(horizon, 1.0), canvas.height * 1.5), rng)
    backdrop(canvas, light, horizon, rng)
    soil = ground(canvas, light, horizon, landmark.over_water, rng)
    _shadows(canvas, mesh, light, soil, lambda points: (_project(points, eye, axes)[0] - low) * scale + corner)
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        tall = rng.uniform(0.15, 0.45) * (foot - places[:, 1].min())
        wide = tall * rng.uniform(0.5, 1.3)
        x = rng.choice([rng.uniform(-0.2, 0.25), rng.uniform(0.75, 1.1)]) * canvas.width - wide / 2
        y = foot - rng.uniform(0.03, 0.12) * canvas.height
        house(canvas, light, (x, y), (wide, tall), rng, 1.2, bool(rng.random() < 0.6))
    lit = mesh.glow & (rng.random(len(mesh.glow)) < rng.uniform(0.4, 1.0))
    canvas.facets(places, mesh.ends, light.on_faces(mesh.colours, mesh.normals, lit), mesh.visible(eye))
    occlude(canvas, light, foot, rng)


def _stand(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera is, [3], and its axes, rows of [3, 3]: to the right, down, ahead."""
    yaw = np.radians(rng.uniform(-40, 40))
    distance = rng.uniform(1.4, 4.0)
    rise = rng.uniform(0.03, 0.35) if rng.random() < 0.65 else distance * np.tan(np.radians(rng.uniform(8, 28)))
    eye = np.array([distance * np.sin(yaw), -distance * np.cos(yaw), rise])
    aim = np.array([0, 0, rise + rng.uniform(0.2, 1.0) * (0.45 - rise)])
    ahead = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(ahead, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    return eye, np.stack([right, np.cross(ahead, right), ahead])


def _project(points: np.ndarray, eye: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, float]:
    """Points [P, 3] on a picture of focal length one, [P, 2], and where its horizon lies."""
    seen = (points - eye) @ axes.T
    ahead = axes[2] * (1, 1, 0)
    return seen[:, :2] / np.maximum(seen[:, 2:], 0.05), float(ahead @ axes[1] / (ahead @ axes[2]))


def _shadows(canvas: Canvas, mesh: Mesh, light: Light, soil: np.ndarray, place) -> None:
    """Draw on the ground what the sun does not reach."""
    strength = float(np.clip(light.sun.mean() * (1 - light.fog) - 0.15, 0, 0.45))
    if not strength or light.direction[2] < 0.15:
        return
    corners = np.stack([np.where(pick, mesh.high, mesh.low) for pick in np.ndindex(2, 2, 2)], 1)  # [B, 8, 3]
    ground_points = corners - light.direction * (corners[..., 2:] / light.direction[2])
    ground_points[..., 2] = 0
    outlines = place(ground_points.reshape(-1, 3)).reshape(-1, 8, 2).astype(np.float32)
    for outline in outlines:
        canvas.polygon(cv2.convexHull(outline)[:, 0], soil * (1 - strength))
