"""The command `ensemble`: runs whose descriptors are joined, and the search for the best combination."""
