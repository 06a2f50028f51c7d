"""The machine that boots the image: its specification, and the backends that start it."""
