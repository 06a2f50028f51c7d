"""Operating systems inside an image: kernels, initramfs, boot configuration, Windows."""
