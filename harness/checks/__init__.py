"""Facts held against a provider's profile: findings, one topic a file."""
