"""Turn an image file into the RGB JPEG of a record: an upright RGB JPEG passes through, anything else is converted."""

import io
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageOps
import simplejpeg

from glr import storage
from glr.errors import GlrError

HEIC_SUFFIXES = {".heic", ".heif"}
_READS_HEIC = find_spec("pillow_heif") is not None  # the extra `heic`
if _READS_HEIC:
    import pillow_heif

    pillow_heif.register_heif_opener()
# Pillow reads MPO as JPEG. Its other decoders are less hardened against attacks, and EPS would run Ghostscript.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", *(["HEIF"] if _READS_HEIC else []))
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif"),
    *(".jp2", ".j2k", ".j2c", ".jpf", ".jpx"),
    *(HEIC_SUFFIXES if _READS_HEIC else ()),
}
# Usual largest values of grey images: of floats, then of 8, 10, 12, 14 and 16 bits.
_WHITES = (1, 255, 1023, 4095, 16383, 65535)
# Limits of training: OpenCV's resampling has 16-bit coordinates, and each thread holds a whole decoded image.
LARGEST_SIDE = 32_000
MOST_PIXELS = 100_000_000
# A JPEG to shrink is decoded at a fraction of its size, but libjpeg holds progressive JPEGs whole, 6 bytes a pixel.
MOST_SHRUNK_PIXELS = 400_000_000
LARGEST_FILE = 2**30  # bytes
QUALITY = 95

PIL.Image.MAX_IMAGE_PIXELS = None  # the limits here have messages that name the remedy


class Jpeg(NamedTuple):
    """An RGB JPEG: its bytes, its height and width in pixels, and why it was converted (None: it passed through)."""

    encoded: bytes
    height: int
    width: int
    converted: str | None


class MissingImageError(GlrError):
    """There is no file of this name."""


def read_image(path: str) -> bytes:
    """Read an image file, local or gs://.

    Raises:
        MissingImageError: the file is missing.
        GlrError: the file is not a regular file (a pipe would never end) or too large for an image.
    """
    if not storage.is_bucket(path) and Path(path).exists() and not Path(path).is_file():
        raise GlrError("it is not a regular file")
    try:
        content = storage.read(path, 0, LARGEST_FILE + 1)
    except GlrError as error:
        if storage.exists(path):
            raise
        is_link = not storage.is_bucket(path) and Path(path).is_symlink()
        raise MissingImageError("it links to a missing file" if is_link else "there is no such file") from error
    if len(content) > LARGEST_FILE:
        raise GlrError(f"it has more than {LARGEST_FILE:,} bytes, too many for an image")
    return content


def is_image(name: str) -> bool:
    """Return True if a file's name ends like that of an image in a readable format."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def too_large(height: int, width: int) -> str | None:
    """Return why an image of this size cannot be trained on, or None if it can."""
    if max(height, width) <= LARGEST_SIDE and height * width <= MOST_PIXELS:
        return None
    return f"it has {width:,} x {height:,} pixels, too many to train on"


def jpeg(content: bytes, *, max_side: int | None = None, check: bool = True, background: int = 255) -> Jpeg:
    """Convert an image file's content to an upright RGB JPEG; content of this form passes through unchanged.

    Args:
        content: an image in one of `FORMATS`.
        max_side: pixels; an image with a longer side is shrunk to it.
        check: decode JPEGs to verify them; else check only the header and the end of JPEGs that pass through.
        background: the grey behind transparent pixels, 0 (black) to 255.

    Raises:
        GlrError: the image cannot be decoded or is too large; the message gives the reason without the file's name.
    """
    if not content:
        raise GlrError("it is empty")
    try:
        if content.startswith(b"\xff\xd8"):
            height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
            height, width = int(height), int(width)
            _check_size(height, width, max_side, MOST_SHRUNK_PIXELS)
            reason = _why_convert(content, height, width, colours, max_side)
            if reason is None or check:
                _check_pixels(content, check)
            if reason is None:
                return Jpeg(content, height, width, None)
        else:
            reason = None
        return _converted(content, reason, max_side, background)
    except GlrError:
        raise
    except PIL.UnidentifiedImageError as error:
        raise GlrError(f"it is not an image in a readable format ({', '.join(FORMATS)})") from error
    except Exception as error:  # Pillow may raise anything on a damaged file
        reason = str(error).rpartition("(): ")[2] or type(error).__name__  # without the name of libjpeg's function
        raise GlrError(f"it cannot be decoded: {reason}") from error


def _why_convert(content: bytes, height: int, width: int, colours: str, max_side: int | None) -> str | None:
    if colours not in ("YCbCr", "RGB"):
        return f"{colours} JPEG"
    if max_side is not None and max(height, width) > max_side:
        return f"{width} x {height} pixels"
    if b"Exif\0\0" in content[:65536]:
        with PIL.Image.open(io.BytesIO(content), formats=FORMATS) as image:
            orientation = image.getexif().get(0x0112, 1)
        if orientation in range(2, 9):
            return f"EXIF orientation {orientation}"
    return None


def _check_size(height: int, width: int, max_side: int | None, most: int = MOST_PIXELS) -> None:
    """Refuse an image too large to train on; with `max_side`, refuse an image of more than `most` pixels instead."""
    if max_side is None and (problem := too_large(height, width)):
        raise GlrError(f"{problem}; shrink such images with data.max_side")
    if max_side is not None and height * width > most:
        raise GlrError(f"it has {width:,} x {height:,} pixels, too many to decode")


def _check_pixels(content: bytes, decode: bool) -> None:
    if decode:
        # Decoding at an eighth of the size reads all the data with little computation.
        simplejpeg.decode_jpeg(content, "GRAY", fastdct=True, fastupsample=True, min_height=1, min_width=1)
    elif content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise ValueError("it is cut off")


def _converted(content: bytes, reason: str | None, max_side: int | None, background: int) -> Jpeg:
    with PIL.Image.open(io.BytesIO(content), formats=FORMATS) as image:
        described = reason or f"{image.format} {image.mode}"
        if max_side is not None:
            image.draft("RGB", (max_side, max_side))  # a JPEG is decoded at a fraction of its size
        _check_size(image.height, image.width, max_side)
        upright, values = _rgb(image, background)
        described += f", {values}" if values else ""
        if max_side is not None:
            upright.thumbnail((max_side, max_side), PIL.Image.Resampling.LANCZOS)
        encoded = io.BytesIO()
        upright.save(encoded, "JPEG", quality=QUALITY)
        return Jpeg(encoded.getvalue(), upright.height, upright.width, described)


def pixels_of(image: PIL.Image.Image) -> np.ndarray:
    """Convert a Pillow image to pixels uint8 [H, W, 3], upright and RGB, as `jpeg` converts a file.

    Raises:
        GlrError: the image is too large, or has values that are NaN or infinite.
    """
    _check_size(image.height, image.width, None)
    return np.asarray(_rgb(image, 255)[0])


def _rgb(image: PIL.Image.Image, background: int) -> tuple[PIL.Image.Image, str]:
    """Turn an image upright and convert it to RGB; describe the values that were scaled, if any."""
    upright, values = PIL.ImageOps.exif_transpose(image), ""
    if upright.mode == "F" or upright.mode.startswith("I"):  # Pillow would clip these to 0..255
        upright, values = _grey(upright)
    if upright.has_transparency_data:
        ground = PIL.Image.new("RGBA", upright.size, (background, background, background, 255))
        upright = PIL.Image.alpha_composite(ground, upright.convert("RGBA"))
    return upright.convert("RGB"), values


def _grey(image: PIL.Image.Image) -> tuple[PIL.Image.Image, str]:
    """Scale a grey image of more than 8 bits to 8 bits, and describe the values that become black and white.

    Black is 0, and white is the smallest usual maximum that no value exceeds. Fractions that do not reach half of it
    (0 to 1.02 after sharpening) have the largest value as white. If values lie outside of 0 to 65,535, black is the
    least and white the largest value.

    Raises:
        GlrError: a value is NaN or infinite.
    """
    values = np.asarray(image, np.float32)
    least, largest = float(values.min()), float(values.max())
    if not np.isfinite(largest - least):
        raise GlrError("it has values that are NaN or infinite")
    white = next((white for white in _WHITES if largest <= white and (white > 1 or image.mode == "F")), None)
    black = 0.0 if white and least >= 0 else least
    if not white or least < 0 or (white > 1 and 2 * largest < white and (values != values.round()).any()):
        white = largest
    scaled = (values - black) * (255 / ((white - black) or 1))
    return PIL.Image.fromarray(scaled.round().astype(np.uint8)), f"values {black:g} to {white:g} as black to white"
