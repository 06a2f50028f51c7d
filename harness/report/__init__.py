"""Reports of runs and matrices, for people and for CI."""
