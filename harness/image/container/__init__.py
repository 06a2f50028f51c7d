"""Container formats: what a file is, and the disk inside a qcow2."""
