"""Losses of the translators."""
