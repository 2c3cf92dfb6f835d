"""What users have on disk: files, checks of them, and writing."""
