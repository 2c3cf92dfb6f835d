"""Self-training: rounds of training, labels of real scans, their refinement, weights of translations."""
