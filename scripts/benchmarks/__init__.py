"""What ``python scripts/bench.py`` measures."""
