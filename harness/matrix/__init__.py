"""Many cases: a catalog of images, tried on one machine or on many, and what changed since."""
