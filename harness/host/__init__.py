"""The host: its programs, limits, signals, scratch space and folders."""
