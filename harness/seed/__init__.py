"""The seed of a guest: addresses, cloud-init data, and their delivery on a drive or over HTTP."""
