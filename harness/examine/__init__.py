"""The examination of an image before its boot: the gate, the child process, the image report."""
