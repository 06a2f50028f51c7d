"""The evidence of a run: its events, their log, and guest text made safe to print."""
