"""The commands, one a module: each reads its options, calls the rooms, and prints."""
