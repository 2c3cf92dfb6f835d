"""Labels scored against the truth: one case, a folder of them, and the tables of it."""
