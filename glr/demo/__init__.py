"""The demo data set: photographs of landmarks, drawn on the spot."""
