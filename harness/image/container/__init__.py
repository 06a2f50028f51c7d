"""Container formats: the detection of a format, and the disk in a qcow2."""
