"""Provider profiles: the machine and the images that each takes, every claim with its source."""
