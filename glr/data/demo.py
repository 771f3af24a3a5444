"""stub"""


def generate(*a, **k): ...
