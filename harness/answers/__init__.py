"""What an installer is told so that it installs without a person. No machine is started here."""
