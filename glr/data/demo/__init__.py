"""Demo landmarks: buildings, scenes and weather, drawn as photos in the layout of Google Landmarks v2."""
