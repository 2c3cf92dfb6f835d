"""Self-training: rounds of training, labels of real scans, and their refinement."""
