"""The record of a run: its events, the log that keeps them, guest text made harmless."""
