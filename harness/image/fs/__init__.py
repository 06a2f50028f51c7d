"""Filesystem readers."""
