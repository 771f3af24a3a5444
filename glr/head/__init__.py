"""Heads: the losses over cosines that train a descriptor."""
