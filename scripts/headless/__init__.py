"""A headless Slicer made of slicer-core only, for the demo and the tests: real MRML scene, logics and slice views."""
