"""What is drawn: the demo with its overview, figures, screenshots, thumbnails, icon."""
