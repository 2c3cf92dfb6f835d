"""Training engines of the translators."""
