"""From observations to a verdict: a pure function, the same live and replayed."""
