"""Heads: the losses over cosines that train a descriptor, one file per family."""
