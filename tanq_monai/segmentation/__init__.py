"""nnU-Net inside MONAI: planning, training, and inference without nnunetv2."""
