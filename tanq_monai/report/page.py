"""Self-contained HTML pages: one style, every value escaped, written at once or not at all."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tanq_monai.files import renewing, write_text


def write_page(output: Path, template: str, values: Mapping[str, Any]) -> None:
    """Render a page and write it as a result.

    Args:
        output: the ``.html`` file.
        template: as for :func:`render_page`.
        values: the same.

    Raises:
        InputError: as :func:`tanq_monai.files.renewing`.
    """
    html = render_page(template, values)
    with renewing(output) as temporary:
        write_text(html, temporary)


def render_page(template: str, values: Mapping[str, Any]) -> str:
    """HTML of a page.

    Args:
        template: Jinja; it finds the style that all pages share as ``page_style``, that of pictures as
            ``picture_style``, and the macros of ``macros.html.jinja``.
        values: escaped where they stand.
    """
    page = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    styles = {"page_style": resource("page.css"), "picture_style": resource("pictures.css")}
    return page.from_string(template).render(**styles, **values)


def resource(name: str) -> Markup:
    """A file that lies beside this module, as a part of a page that needs no escaping."""
    return Markup(files(__package__).joinpath(name).read_text(encoding="utf-8"))
