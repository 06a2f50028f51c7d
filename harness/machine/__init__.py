"""The machine that the image is tried in: what it is made of, and how it is started."""
