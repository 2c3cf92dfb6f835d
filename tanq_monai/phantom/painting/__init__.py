"""How layers of tissue become voxels: shapes as data, and the compiled loops that sample them."""
