"""nnU-Net's plan: the network and the space it works in, read without nnunetv2."""
