"""What the Slicer-side tests share: a headless scene, geometries, small models, stand-ins for the desktop's Python."""
