"""The console in a browser: a page, the server behind it, and who may come in."""
