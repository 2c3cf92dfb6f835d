"""Sphinx makes the site (`make docs`) of the documents where they lie in the repository, and of the docstrings."""

import re
import sys
from pathlib import Path

from docutils.nodes import Element, SkipNode, math
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tanq_monai import RESEARCH_ONLY, __version__, cli, manual  # noqa: E402

project = "tanq-monai"
author = "tanq-monai contributors"
version = release = __version__

extensions = ["myst_nb", "autoapi.extension", "sphinx.ext.napoleon", "sphinx_copybutton"]
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**", "bundles/*/docs/README.md"]
exclude_patterns = ["docs/_build", "docs/jupyter_execute"]
root_doc = "docs/README"

myst_heading_anchors = 4
highlight_language = "text"
nb_execution_mode = "off"  # tests/integration/test_notebook.py runs it

GENERATED = "docs/api"
autoapi_dirs = [str(ROOT / "tanq_monai")]
autoapi_ignore = ["*/tanq_monai/cli/*"]  # whose manual pages say more
autoapi_root = GENERATED
autoapi_options = ["members", "show-inheritance", "show-module-summary"]
autoapi_add_toctree_entry = False

# Functions, methods and modules that docstrings name are there. Names of types come from annotations, those of other
# packages and aliases among them, and constants without a docstring have no entry.
nitpicky = True
nitpick_ignore_regex = [("py:(class|exc|obj|data)", ".*")]
suppress_warnings = ["autoapi.python_import_resolution", "ref.python", "myst.header"]

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"announcement": "Research use only: not a medical device"}  # fits on a phone


def write_manual_pages(app: Sphinx) -> None:
    """Write a page of what `--help` prints of every command."""
    pages = "\n".join(
        f"## {manual.PROGRAM} {name}\n```text\n{_text(manual.page(name, command, RESEARCH_ONLY))}\n```\n"
        for name, command in cli.COMMANDS.items()
    )
    file = Path(app.srcdir) / GENERATED / "commands.md"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"# Manual pages of the commands\nAs `--help` prints them.\n\n{pages}")


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Make the margin of the site of the sections of the index, and of what only the site has."""
    if docname != root_doc:
        return
    sections = re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", source[0], flags=re.MULTILINE)
    parts = [(title, re.findall(r"\]\(([\w./]+)\.(?:md|ipynb)\)", text)) for title, text in sections]
    parts.append(("Reference", ["api/commands", "api/tanq_monai/index"]))
    for title, pages in parts:
        listed = "\n".join(pages)
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{listed}\n```\n"


def _text(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def visit_math(translator: HTML5Translator, node: Element) -> None:
    """Equations as MathML, which browsers draw by themselves: no script, and nothing from the network."""
    translator.body.append(tex2mathml(node.astext(), as_block=not isinstance(node, math)))
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Add the manual pages, the margin and the equations."""
    app.connect("builder-inited", write_manual_pages)
    app.connect("source-read", add_contents)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
