"""Heads: the losses that train a descriptor, over its cosines to class weights or to the batch's other images."""
