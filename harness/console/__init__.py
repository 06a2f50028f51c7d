"""The debugging console: a person at the machine, with its evidence beside it."""
