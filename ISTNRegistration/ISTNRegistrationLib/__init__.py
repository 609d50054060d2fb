"""Image-and-Spatial Transformer Networks for structure-guided image registration."""

__version__ = "0.1.0"
