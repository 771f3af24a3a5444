"""The private parts of Hydra and OmegaConf that glr uses where no public interface exists.

hydra-core 1.3 and omegaconf 2.3 have these parts; other versions may lack them.
"""
# pyright: reportPrivateUsage=false

from argparse import Namespace

from omegaconf import Container, Node

try:
    from hydra._internal.utils import get_args_parser

    _ = Node._get_full_key
except (ImportError, AttributeError) as error:
    raise ImportError(f"glr needs hydra-core 1.3 and omegaconf 2.3: {error}") from error


def command_line() -> Namespace:
    """Parse this process's command line as Hydra does; overrides may precede and follow a flag."""
    return get_args_parser().parse_intermixed_args()


def full_key(node: Container) -> str:
    """Return the full key of a node in its config, such as `data.source`."""
    return str(node._get_full_key(None))
