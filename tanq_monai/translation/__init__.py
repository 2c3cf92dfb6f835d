"""From ceT1 to hrT2: slices, their regions, and whole scans through a translator."""
