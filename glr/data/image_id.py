"""The rule for image ids and paths: each must fit on a line of a UTF-8 text file."""

from glr.errors import GlrError


def check_id(image_id: str, where: str) -> None:
    """Refuse an id of a CSV that has a line break; `where` names the file and the line.

    Raises:
        GlrError: the id has a line break, such as U+2028.
    """
    if image_id.splitlines() != [image_id]:
        raise GlrError(f"{where}: the id {image_id[:40]!a} has a line break; correct it")  # or a quote swallowed lines


def check_image_id(image_id: str, path: str) -> None:
    """Refuse an image whose id or path cannot be a line of a UTF-8 text file.

    Args:
        image_id: not empty.
        path: the image's file, named in the message.

    Raises:
        GlrError: the id has a line break, or the id or the path has bytes that are not UTF-8.
    """
    if image_id.splitlines() != [image_id]:
        raise GlrError(f"{path!a}: the name of this image has a line break; rename it")
    try:
        (image_id + path).encode()
    except UnicodeEncodeError as error:
        raise GlrError(f"{path!a}: the path of this image is not UTF-8; rename it") from error
