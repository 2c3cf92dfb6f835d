"""nnU-Net's training: cases, preparation, batches, steps, checkpoints."""
