"""Images and ids of a page: small images inside the page's text, and ids that break below them."""

import base64
import re
from typing import NamedTuple

import cv2
import numpy as np

from glr.config.printing import printable

_LONGEST = 256  # pixels of an image's long side: twice the displayed size, for sharp displays
_QUALITY = 88


class Thumbnail(NamedTuple):
    """A data URI and its size in pixels."""

    source: str
    width: int
    height: int


def thumbnail(image: np.ndarray) -> Thumbnail:
    """Encode an image, uint8 RGB [H, W, 3], as JPEG or PNG, whichever is smaller.

    For drawings that is PNG, which keeps edges sharp.
    """
    smaller = min(1.0, _LONGEST / max(image.shape[:2]))
    if smaller < 1:
        size = max(round(image.shape[1] * smaller), 1), max(round(image.shape[0] * smaller), 1)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    pixels = np.ascontiguousarray(image[..., ::-1])
    jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    png = cv2.imencode(".png", pixels)[1].tobytes()
    kind, data = ("jpeg", jpeg) if len(jpeg) < len(png) else ("png", png)
    height, width = image.shape[:2]
    return Thumbnail(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", width, height)


def parts(name: str) -> list[str]:
    """Split an id or a label where a browser may break the line; numbers such as 0.5 and 1e-5 stay whole."""
    return re.split(r"(?<=[/_])|(?<=[.-])(?!\d)", printable(name))
