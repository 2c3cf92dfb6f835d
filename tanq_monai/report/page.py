"""Self-contained HTML pages: one style, every value escaped, written at once or not at all."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tanq_monai.files import renewing, write_text


def write_page(output: Path, template: str, values: Mapping[str, Any]) -> None:
    """Render a page.

    Args:
        output: the ``.html`` file.
        template: Jinja; it finds the style that all pages share as ``page_style``.
        values: escaped where they stand.

    Raises:
        InputError: as :func:`tanq_monai.files.renewing`.
    """
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    html = page.from_string(template).render(page_style=resource("page.css"), **values)
    with renewing(output) as temporary:
        write_text(html, temporary)


def resource(name: str) -> Markup:
    """A file that lies beside this module, as a part of a page that needs no escaping."""
    return Markup(files(__package__).joinpath(name).read_text(encoding="utf-8"))
