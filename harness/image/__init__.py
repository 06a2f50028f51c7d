"""Facts read from the bytes of an image; no opinion."""
