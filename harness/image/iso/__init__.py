"""ISO images: ISO 9660, UDF, El Torito."""
