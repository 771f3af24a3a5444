"""The command `search`: find the nearest images of one's own photos."""
