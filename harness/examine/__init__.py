"""An image before its boot: the gate, the inspecting child process, the image report."""
