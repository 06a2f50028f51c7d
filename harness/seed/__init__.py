"""What a guest is given at boot: addresses, cloud-init data, the drive that carries them."""
