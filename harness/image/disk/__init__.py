"""Disk structures that firmware reads: partition tables, boot code, EFI programs."""
