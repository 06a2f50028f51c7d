"""Unattended installation: installer families, their answer files, the plan of a run."""
