"""Ensembles: members from past runs, and the best of them."""
