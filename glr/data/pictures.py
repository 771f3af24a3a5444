"""Images to describe, of a prepared set, from files or from Python; threads decode them in ordered batches."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol

import numpy as np
import PIL.Image
import simplejpeg

from glr import storage
from glr.data.geometry import FAST_DCT, letterbox
from glr.data.order import Order
from glr.data.photo import MissingImageError, jpeg, pixels_of, read_image, too_large
from glr.data.prepared import PreparedData
from glr.data.reading import Reader, Record
from glr.data.tfrecord import parse
from glr.data.threads import READERS, ahead, frames, spread, threads
from glr.errors import GlrError, first_line


class Picture(NamedTuple):
    """An image: its id, its class (-1: none), and its pixels uint8 [H, W, 3]."""

    id: str
    label: int
    pixels: np.ndarray


# A file's path, pixels uint8 [H, W, 3] or [H, W], or a Pillow image.
Image = str | PurePath | np.ndarray | PIL.Image.Image

# Maps (first, count) to a context manager for each picture.
Reading = Callable[[int, int], Sequence[AbstractContextManager[Picture]]]


class Pictures(Protocol):
    """Images in a fixed order."""

    def __len__(self) -> int: ...

    def reader(self, readers: ThreadPoolExecutor, window: int) -> Reading:
        """Return a function of (first, count) that starts reading and returns `count` context managers of a `Picture`.

        Args:
            readers: threads that read.
            window: pictures requested at once.
        """
        ...


class StoredPictures:
    """The images of a split of a prepared set, in their stored order."""

    def __init__(self, data: PreparedData, split: str):
        self._data = data
        self._shards = data.shards[split]

    def __len__(self) -> int:
        return sum(shard.records for shard in self._shards)

    def reader(self, readers: ThreadPoolExecutor, window: int) -> Reading:
        """See `Pictures`; an error names a damaged record's shard, offset and image."""
        order = Order([shard.records for shard in self._shards], block=self._data.block, window=window, seed=None)
        reader = Reader(self._data, self._shards, order, readers, repeat=False)

        @contextmanager
        def picture(record: Record) -> Iterator[Picture]:
            with record.image() as image:
                height, width = map(int, simplejpeg.decode_jpeg_header(image.encoded)[:2])
                if problem := too_large(height, width):
                    raise ValueError(problem)
                yield Picture(image.id, image.label, simplejpeg.decode_jpeg(image.encoded, fastdct=FAST_DCT))

        return lambda first, count: [picture(record) for record in reader.records(0, first, count)]

    def ids(self) -> Iterator[str]:
        """Yield the images' ids, without decoding the images; a block is read when its first id is wanted."""
        for shard in self._shards:
            for block in range(len(shard.blocks)):
                yield from (parse(record).id for _, record in self._data.read_block(shard, block))


class FirstPictures:
    """The first `count` of other pictures (None: all)."""

    def __init__(self, pictures: Pictures, count: int | None):
        self._count = len(pictures) if count is None else min(count, len(pictures))
        self.reader = pictures.reader

    def __len__(self) -> int:
        return self._count


class ChosenPictures:
    """Some of other pictures, at ascending positions."""

    def __init__(self, pictures: Pictures, positions: Sequence[int]):
        self._pictures = pictures
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def reader(self, readers: ThreadPoolExecutor, window: int) -> Reading:  # noqa: ARG002
        """See `Pictures`."""
        read = self._pictures.reader(readers, 1)
        return lambda first, count: [read(at, 1)[0] for at in self._positions[first : first + count]]


class ImageFile(NamedTuple):
    """An image file, local or gs://, and the box to crop: left, top, right, bottom in pixels; None: the whole image."""

    id: str
    path: str
    box: tuple[float, float, float, float] | None = None


class FilePictures:
    """Image files, turned upright; files that are not RGB JPEGs are first converted, as in `prepare`.

    Args:
        files: the files.
        unreadable: called with the id of a file that cannot be decoded, and the reason; a black pixel then stands for
            the image. None: such a file is an error.
    """

    def __init__(self, files: Sequence[ImageFile], unreadable: Callable[[str, str], None] | None = None):
        self._files = files
        self._unreadable = unreadable

    def __len__(self) -> int:
        return len(self._files)

    def reader(self, readers: ThreadPoolExecutor, window: int) -> Reading:  # noqa: ARG002
        """See `Pictures`; an error names the file."""

        def begin(first: int, count: int) -> Sequence[AbstractContextManager[Picture]]:
            files = self._files[first : first + count]
            return [self._picture(file, readers.submit(read_image, file.path)) for file in files]

        return begin

    @contextmanager
    def _picture(self, file: ImageFile, content: Future[bytes]) -> Iterator[Picture]:
        try:
            pixels = simplejpeg.decode_jpeg(jpeg(content.result(), check=False).encoded, fastdct=FAST_DCT)
            if file.box is not None:
                left, top, right, bottom = (max(round(side), 0) for side in file.box)
                pixels = pixels[top:bottom, left:right]
                if not pixels.size:
                    raise ValueError(f"its box {file.box} contains no pixels of the image")
        except (GlrError, ValueError) as error:
            if self._unreadable is None or _is_outage(file, content):
                raise GlrError(f"{file.path}: {error}") from error
            self._unreadable(file.id, str(error))
            pixels = np.zeros((1, 1, 3), np.uint8)
        yield Picture(file.id, -1, pixels)


def _is_outage(file: ImageFile, content: Future[bytes]) -> bool:
    """Return True if the bucket failed, not the image."""
    return storage.is_bucket(file.path) and not isinstance(content.exception(), MissingImageError | None)


def is_single(given: object) -> bool:
    """Return True for one image, as opposed to a list of images or an array [N, H, W, 3]."""
    return isinstance(given, str | PurePath | PIL.Image.Image) or (isinstance(given, np.ndarray) and given.ndim < 4)


class GivenPictures:
    """Images from Python; the id of one is its place in the list.

    Args:
        images: files (local or gs://), arrays (uint8 [H, W, 3], or [H, W] if grey) or Pillow images.

    Raises:
        GlrError: `images` is a single image, or an image has another type; the message gives its place.
    """

    def __init__(self, images: Sequence[Image] | np.ndarray):
        if is_single(images):
            raise GlrError(
                "images: expected a list of images, or an array [N, H, W, 3]; put a single image into a list"
            )
        self._images = [self._checked(place, image) for place, image in enumerate(images)]

    @staticmethod
    def _checked(place: int, image: object) -> Image:
        if isinstance(image, str | PurePath):
            return image
        if isinstance(image, PIL.Image.Image):
            return GivenPictures._loaded(place, image)
        if not isinstance(image, np.ndarray):
            kind = type(image).__name__
            raise GlrError(f"images[{place}] is a {kind}; expected a file's path, a NumPy array or a Pillow image")
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or not image.size:
            shape = "x".join(map(str, image.shape))
            raise GlrError(f"images[{place}] is {image.dtype} {shape}; expected uint8 [height, width, 3], RGB")
        if problem := too_large(*image.shape[:2]):
            raise GlrError(f"images[{place}]: {problem}")
        return image

    @staticmethod
    def _loaded(place: int, image: PIL.Image.Image) -> PIL.Image.Image:
        """Read the pixels of an image that Pillow has only opened: two threads must not read the same image."""
        try:
            image.load()
        except (OSError, ValueError, AssertionError, AttributeError) as error:
            raise GlrError(
                f"images[{place}] cannot be read ({first_line(error)}); it may be closed or cut off"
            ) from error
        if not image.width * image.height:
            raise GlrError(f"images[{place}] is empty: {image.width} x {image.height} pixels")
        return image

    def __len__(self) -> int:
        return len(self._images)

    def reader(self, readers: ThreadPoolExecutor, window: int) -> Reading:  # noqa: ARG002
        """See `Pictures`; an error names the file or the image's place."""

        def begin(first: int, count: int) -> Sequence[AbstractContextManager[Picture]]:
            places = range(first, min(first + count, len(self)))
            return [self._picture(place, self._images[place], readers) for place in places]

        return begin

    def _picture(self, place: int, image: Image, readers: ThreadPoolExecutor) -> AbstractContextManager[Picture]:
        if isinstance(image, str | PurePath):
            return FilePictures([ImageFile(str(place), str(image))]).reader(readers, 1)(0, 1)[0]
        if isinstance(image, PIL.Image.Image):
            return self._converted(place, image)
        pixels = image if image.ndim == 3 else np.repeat(image[:, :, np.newaxis], 3, axis=2)
        return nullcontext(Picture(str(place), -1, np.ascontiguousarray(pixels)))

    @staticmethod
    @contextmanager
    def _converted(place: int, image: PIL.Image.Image) -> Iterator[Picture]:
        try:
            pixels = pixels_of(image)
        except (GlrError, OSError, ValueError) as error:
            raise GlrError(f"images[{place}]: {error}") from error
        yield Picture(str(place), -1, pixels)


def batches(
    pictures: Pictures, *, image_size: int | None, batch_size: int, parallelism: int, first: int = 0
) -> Iterator[tuple[list[tuple[str, int]], Any]]:
    """Decode all images from number `first` on, in batches; the last batch may be smaller.

    Args:
        pictures: the images.
        image_size: S, the side in pixels of the square that images are letterboxed into; None keeps their size.
        batch_size: images per batch.
        parallelism: threads that decode.
        first: number of images to skip; they are not read.

    Yields:
        (id, label) of each image, and the images: uint8 [B, S, S, 3], or a list of uint8 [H, W, 3] in their own size.

    Raises:
        GlrError: an image cannot be decoded; the message names it.
    """
    with threads(parallelism) as workers, threads(READERS) as readers:
        read = pictures.reader(readers, batch_size)

        def begin(start: int) -> Callable[[], tuple[list[tuple[str, int]], Any]]:
            wanted = read(start, min(batch_size, len(pictures) - start))
            names = [("", -1)] * len(wanted)
            images: Any = [None] * len(wanted) if image_size is None else frames(len(wanted), image_size)

            def fill(row: int) -> None:
                with wanted[row] as picture:
                    if image_size is None:
                        images[row] = picture.pixels
                    else:
                        letterbox(picture.pixels, images[row])
                names[row] = picture.id, picture.label

            return spread(workers, fill, len(wanted), (names, images))

        yield from ahead(begin, range(first, len(pictures), batch_size))


def picture(pictures: Pictures, position: int) -> Picture:
    """Return the image at a position."""
    with threads(1) as readers, pictures.reader(readers, 1)(position, 1)[0] as images:
        return images
