"""The rule for the ids and paths of images: files of ids and tables can hold them."""

from glr.errors import GlrError


def check_image_id(image_id: str, path: str) -> None:
    """Refuse an image that a file of ids, in UTF-8 and one a line, cannot name.

    Args:
        image_id: not empty.
        path: of the image, which the message names.

    Raises:
        GlrError: the id has a line break, or the id or the path has bytes that are not UTF-8.
    """
    if image_id.splitlines() != [image_id]:
        raise GlrError(f"{path!a}: the name of this image has a line break; rename it")
    try:
        (image_id + path).encode()
    except UnicodeEncodeError as error:
        raise GlrError(f"{path!a}: the path of this image is not UTF-8; rename it") from error
