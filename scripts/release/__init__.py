"""What goes with a release: sample images, checkpoints, file lists, and the checks that take long."""
