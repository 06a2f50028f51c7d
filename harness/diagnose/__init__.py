"""Observations to a verdict: a pure function, the same live and in a replay."""
