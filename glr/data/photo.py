"""From an image file to the RGB JPEG that goes into a record: passed through where it is one, else converted."""

import io
from typing import NamedTuple

import PIL.Image
import PIL.ImageOps
import simplejpeg

from glr.errors import GlrError

# What training can take: OpenCV's resampling counts in 16 bits, and a thread decodes an image as a whole.
LARGEST_SIDE = 32_000
MOST_PIXELS = 100_000_000
QUALITY = 95

PIL.Image.MAX_IMAGE_PIXELS = None  # the limits here say what to do about it


class Jpeg(NamedTuple):
    """An RGB JPEG: its bytes, its height and width in pixels, and why it was converted (None: it passed through)."""

    encoded: bytes
    height: int
    width: int
    converted: str | None


def jpeg(content: bytes, *, max_side: int | None = None, check: bool = True) -> Jpeg:
    """Make an image file's content an upright RGB JPEG; one that is that already passes through byte for byte.

    Args:
        content: of a JPEG, PNG or any format that Pillow reads.
        max_side: pixels; an image with a longer side is shrunk to it.
        check: decode what passes through, else look only at its header and its end.

    Raises:
        GlrError: it cannot be decoded, or is too large; says why, without the file's name.
    """
    if not content:
        raise GlrError("it is empty")
    try:
        if content.startswith(b"\xff\xd8"):
            height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
            height, width = int(height), int(width)
            reason = _why_convert(content, height, width, colours, max_side)
            if reason is None:
                _check_size(height, width)
                _check_pixels(content, check)
                return Jpeg(content, height, width, None)
            if check:
                _check_pixels(content, check)
        else:
            reason = None
        return _converted(content, reason, max_side)
    except PIL.UnidentifiedImageError as error:
        raise GlrError("it is no image in a format that can be read") from error
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        reason = str(error).rpartition("(): ")[2]  # without the name of libjpeg's function
        raise GlrError(f"it cannot be decoded: {reason}") from error


def _why_convert(content: bytes, height: int, width: int, colours: str, max_side: int | None) -> str | None:
    if colours not in ("YCbCr", "RGB"):
        return f"{colours} JPEG"
    if max_side is not None and max(height, width) > max_side:
        return f"{width} x {height} pixels"
    if b"Exif\0\0" in content[:65536]:
        with PIL.Image.open(io.BytesIO(content)) as image:
            orientation = image.getexif().get(0x0112, 1)
        if orientation in range(2, 9):
            return f"EXIF orientation {orientation}"
    return None


def _check_size(height: int, width: int) -> None:
    if max(height, width) > LARGEST_SIDE or height * width > MOST_PIXELS:
        raise GlrError(
            f"it has {width:,} x {height:,} pixels, too many to train on; shrink such images with data.max_side"
        )


def _check_pixels(content: bytes, decode: bool) -> None:
    if decode:
        # At an eighth of its size: all of its data is read, little of it computed.
        simplejpeg.decode_jpeg(content, "GRAY", fastdct=True, fastupsample=True, min_height=1, min_width=1)
    elif content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise ValueError("it is cut off")


def _converted(content: bytes, reason: str | None, max_side: int | None) -> Jpeg:
    with PIL.Image.open(io.BytesIO(content)) as image:
        described = reason or f"{image.format} {image.mode}"
        if max_side is None:
            _check_size(image.height, image.width)
        else:
            image.draft("RGB", (max_side, max_side))  # a JPEG is decoded at a fraction of its size
        upright = PIL.ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits per pixel, which Pillow would clip
            upright = upright.convert("I").point(lambda value: value / 256).convert("L")
        upright = upright.convert("RGB")
        if max_side is not None:
            upright.thumbnail((max_side, max_side), PIL.Image.Resampling.LANCZOS)
        encoded = io.BytesIO()
        upright.save(encoded, "JPEG", quality=QUALITY)
        return Jpeg(encoded.getvalue(), upright.height, upright.width, described)
