"""Images that are broken in one way each, each with its expected result."""
