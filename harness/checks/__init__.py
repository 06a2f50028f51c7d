"""Checks of facts against a provider's profile, one topic a file; each gives findings."""
