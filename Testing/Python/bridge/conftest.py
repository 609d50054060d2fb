from harness.fixtures import scene  # noqa: F401
