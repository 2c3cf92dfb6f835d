"""How a patient is scanned: sequences, protocols of the sites, the magnet, the voxels."""
