"""What goes into records: RGB JPEGs pass through, all else becomes one or is refused with its reason."""

import io

import numpy as np
import PIL.Image
import pytest
import simplejpeg

from glr.data.photo import jpeg
from glr.errors import GlrError


def stored(image: PIL.Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> PIL.Image.Image:
    """Dark on the left, bright on the right; the top row of blocks is brighter."""
    values = np.tile(np.linspace(40, 200, width), (height, 1))
    values[: height // 3] += 50
    return PIL.Image.fromarray(np.repeat(values[..., None], 3, 2).astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"keep_rgb": True}])
def test_rgb_jpegs_pass_through(options: dict, check: bool):
    content = stored(picture(), **options)
    assert jpeg(content, check=check) == (content, 30, 40, None)
    assert jpeg(content + b"\0\0 a camera's notes", check=check).encoded.startswith(content)
    assert jpeg(content, max_side=40, check=check).encoded == content


@pytest.mark.parametrize(("mode", "kind", "why"), [
    ("L", "JPEG", "Gray JPEG"), ("CMYK", "JPEG", "CMYK JPEG"), ("RGB", "PNG", "PNG RGB"), ("RGBA", "PNG", "PNG RGBA"),
    ("P", "PNG", "PNG P"), ("1", "PNG", "PNG 1"), ("LA", "PNG", "PNG LA"), ("RGB", "WEBP", "WEBP RGB"),
    ("RGB", "BMP", "BMP RGB"), ("P", "GIF", "GIF P"), ("RGB", "TIFF", "TIFF RGB"),
    ("RGB", "AVIF", "AVIF RGB"), ("RGB", "JPEG2000", "JPEG2000 RGB"),
])  # fmt: skip
def test_all_else_is_converted(mode: str, kind: str, why: str):
    made = jpeg(stored(picture(mode=mode), kind))
    assert (made.height, made.width, made.converted) == (30, 40, why)
    decoded = simplejpeg.decode_jpeg(made.encoded).astype(int)
    if mode not in ("1", "P"):  # which are dithered
        np.testing.assert_allclose(decoded, np.asarray(picture(), int), atol=12)
    assert decoded.mean() == pytest.approx(np.asarray(picture()).mean(), abs=15)
    assert simplejpeg.decode_jpeg_header(made.encoded)[2] == "YCbCr"


def test_heic_is_read_with_its_extra():
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(picture()).save(file, quality=95)
    made = jpeg(file.getvalue())
    assert made.converted == "HEIF RGB"
    np.testing.assert_allclose(simplejpeg.decode_jpeg(made.encoded).astype(int), np.asarray(picture(), int), atol=20)


def drawing(red: int = 0) -> PIL.Image.Image:
    """A square in the middle, `red` where it is seen; under the transparent ground the same colour is hidden."""
    values = np.zeros((64, 64, 4), np.uint8)
    values[..., 0] = red
    values[32:48, 32:48, 3] = 255
    return PIL.Image.fromarray(values)


@pytest.mark.parametrize("background", [255, 0, 90])
@pytest.mark.parametrize(("mode", "kind"), [
    ("RGBA", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("P", "GIF"), ("RGBA", "TIFF"), ("RGBA", "WEBP"), ("RGBA", "AVIF"),
])  # fmt: skip
def test_a_drawing_on_a_transparent_ground_stands_on_the_background(mode: str, kind: str, background: int):
    image = PIL.Image.fromarray(np.asarray(drawing())[..., 3] // 255, "P") if mode == "P" else drawing().convert(mode)
    if mode == "P":
        image.putpalette([255, 0, 0, 0, 0, 0])
    content = stored(image, kind, **({"transparency": 0} if mode == "P" else {}))
    decoded = simplejpeg.decode_jpeg(jpeg(content, background=background).encoded).astype(int)
    assert abs(decoded[:16] - background).max() <= 3
    assert decoded[36:44, 36:44].max() <= 3


def test_colour_under_transparent_pixels_is_hidden_and_half_transparent_ones_mix():
    decoded = simplejpeg.decode_jpeg(jpeg(stored(drawing(red=255), "PNG")).encoded).astype(int)
    np.testing.assert_allclose(decoded[:16], 255, atol=3)
    np.testing.assert_allclose(decoded[40, 40], (255, 0, 0), atol=6)
    half = stored(PIL.Image.new("RGBA", (32, 32), (255, 0, 0, 128)), "PNG")
    np.testing.assert_allclose(simplejpeg.decode_jpeg(jpeg(half).encoded)[15, 15], (255, 127, 127), atol=6)
    keyed = stored(PIL.Image.new("RGB", (32, 32)), "PNG", transparency=(0, 0, 0))
    assert simplejpeg.decode_jpeg(jpeg(keyed).encoded).min() >= 252


@pytest.mark.parametrize(("dtype", "kind", "white", "black"), [
    (np.float32, "TIFF", 1, 0), (np.int32, "TIFF", 255, 0), (np.uint16, "TIFF", 1023, 0), (np.uint16, "TIFF", 4095, 0),
    (np.uint16, "PNG", 4095, 0), (np.uint16, "PNG", 65535, 0), (np.float32, "TIFF", 3, -5),
    (np.float32, "TIFF", 1.02, 0), (np.float32, "TIFF", 255, 0),
    (np.int32, "TIFF", 90000, 0),
])  # fmt: skip
def test_deep_greys_keep_their_range(dtype: type, kind: str, white: float, black: float):
    """The right edge is white, the middle grey; a maximum that no camera has is taken as white."""
    ramp = np.tile(np.linspace(black, white, 256), (32, 1)).astype(dtype)
    made = jpeg(stored(PIL.Image.fromarray(ramp), kind))
    np.testing.assert_allclose(
        simplejpeg.decode_jpeg(made.encoded)[:, :, 0].astype(int), np.tile(np.arange(256), (32, 1)), atol=4
    )
    assert made.converted
    assert made.converted.endswith(f", values {black:g} to {white:g} as black to white")


def test_a_dark_grey_in_whole_numbers_stays_dark():
    made = jpeg(stored(PIL.Image.fromarray(np.full((16, 16), 40, np.float32)), "TIFF"))
    assert abs(int(simplejpeg.decode_jpeg(made.encoded)[8, 8, 0]) - 40) <= 2


def test_greys_that_are_no_numbers_are_refused():
    values = np.ones((8, 8), np.float32)
    values[3, 3] = np.nan
    with pytest.raises(GlrError, match="values that are NaN or infinite"):
        jpeg(stored(PIL.Image.fromarray(values), "TIFF"))


def test_sixteen_bits_are_scaled_not_clipped():
    values = (np.asarray(picture(mode="L"), np.uint16) * 256) + 17
    made = jpeg(stored(PIL.Image.fromarray(values), "PNG"))
    np.testing.assert_allclose(
        simplejpeg.decode_jpeg(made.encoded)[..., 0].astype(int), np.asarray(picture(mode="L"), int), atol=6
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    content = stored(picture(), exif=exif)
    made = jpeg(content)
    if orientation == 1:
        assert made == (content, 30, 40, None)
        return
    assert made.converted == f"EXIF orientation {orientation}"
    turns = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
    turns |= {6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}
    upright = np.asarray(picture().transpose(PIL.Image.Transpose[turns[orientation]]), int)
    assert (made.height, made.width) == upright.shape[:2]
    np.testing.assert_allclose(simplejpeg.decode_jpeg(made.encoded).astype(int), upright, atol=12)
    assert jpeg(made.encoded).converted is None  # upright now, and says so


def test_large_images_are_shrunk_on_request():
    made = jpeg(stored(picture(400, 300)), max_side=100)
    assert (made.height, made.width, made.converted) == (75, 100, "400 x 300 pixels")
    np.testing.assert_allclose(
        simplejpeg.decode_jpeg(made.encoded).astype(int), np.asarray(picture(100, 75), int), atol=25
    )
    png = jpeg(stored(picture(400, 300), "PNG"), max_side=100)
    assert (png.height, png.width) == (75, 100)
    assert jpeg(stored(picture(40, 30), "PNG"), max_side=100).width == 40  # nothing is enlarged


def test_one_pixel():
    content = stored(picture(1, 1))
    assert jpeg(content) == (content, 1, 1, None)


def test_twenty_thousand_pixels():
    wide = stored(PIL.Image.new("RGB", (20_000, 300), (9, 99, 199)))
    assert jpeg(wide).converted is None
    large = stored(PIL.Image.new("RGB", (20_000, 5_120), (9, 99, 199)))
    with pytest.raises(GlrError, match=r"it has 20,000 x 5,120 pixels, too many .* data\.max_side"):
        jpeg(large)
    made = jpeg(large, max_side=512, check=False)
    assert (made.width, made.height) == (512, 131)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("content", "why"), [
    (b"", "it is empty"),
    (b"<html>not found</html>", "it is not an image in a readable format"),
    (b"\xff\xd8", "it cannot be decoded"),
    (stored(picture(400, 300))[:-3000], "it cannot be decoded"),
    (stored(picture(400, 300), "PNG")[:500], "it cannot be decoded"),
    (stored(picture(mode="L").resize((400, 300)))[:1500], "it cannot be decoded"),
])  # fmt: skip
def test_what_cannot_be_decoded_is_refused(content: bytes, why: str, check: bool):
    with pytest.raises(GlrError, match=why) as raised:
        jpeg(content, check=check)
    assert "\n" not in str(raised.value)
    assert "0x" not in str(raised.value)


def test_damage_inside_is_found_by_decoding():
    content = bytearray(stored(picture(400, 300)))
    content[3000:3002] = b"\xff\xc4"  # a marker where there is none
    with pytest.raises(GlrError, match="it cannot be decoded"):
        jpeg(bytes(content))
