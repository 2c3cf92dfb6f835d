"""``python -m tanq_monai``."""

from tanq_monai.errors import print_mistakes_in_one_line

print_mistakes_in_one_line()  # Ctrl-C may come while the rest is imported

from tanq_monai.cli import main  # noqa: E402

main()
