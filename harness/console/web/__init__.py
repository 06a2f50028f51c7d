"""The console in a browser: the page, its server, and access control."""
