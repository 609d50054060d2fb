"""MRML nodes to volumes and results to MRML nodes."""
