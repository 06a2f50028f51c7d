"""``python -m harness``: the program, in the Python that runs it."""

from harness.cli.main import main

main()
