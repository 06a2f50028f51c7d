"""The vocabulary that every other package shares: stages, findings, hardware."""
