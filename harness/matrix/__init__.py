"""A matrix: the images of a catalog, tried on one machine or on many, and the changes since."""
