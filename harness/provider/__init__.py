"""What a provider's machine is and what it takes: data, each claim with its source."""
