"""Images that are broken in one way each, with what is to be said about them beside it."""
