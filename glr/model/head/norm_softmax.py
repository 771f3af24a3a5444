"""Normalised softmax: no margin, a constant scale."""

from glr.model.head.cosine import CosineHead


class NormSoftmax(CosineHead):
    """Cross-entropy over s cos(theta) (Zhai and Wu, arXiv:1811.12649).

    With `scale: null` it is AdaCos(Fixed), s = sqrt(2) ln(C - 1) (Zhang et al., arXiv:1905.00292).
    Arguments and errors are those of `CosineHead`.
    """
