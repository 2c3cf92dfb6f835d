"""Bundles from a model zoo: what they would execute, and how they are fetched."""
