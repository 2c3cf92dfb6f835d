"""``python -m tanq_monai``."""

from tanq_monai.cli import main

main()
