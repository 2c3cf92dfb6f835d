"""The files that a check leaves: a CSV file and a page."""

from importlib.resources import files
from pathlib import Path

from tanq_monai.check.dataset import DatasetCheck
from tanq_monai.check.tables import FIGURES, as_csv, rows_of, summaries, verdict
from tanq_monai.errors import printable
from tanq_monai.files import check_output_dir, check_renewable, renewing, write_text
from tanq_monai.report.page import write_page

TABLE, PAGE = "check.csv", "check.html"


def prepare_output(output_dir: str | Path, dataset_dir: str | Path) -> Path:
    """Make the folder for :func:`write_check`, before the work.

    Raises:
        InputError: when it is the data set's own, or nothing can be written there.
        InputErrors: when it holds files of these names that no run wrote.
    """
    folder = check_output_dir(output_dir, dataset_dir)
    check_renewable([folder / TABLE, folder / PAGE])
    return folder


def write_check(check: DatasetCheck, output_dir: str | Path) -> None:
    """Write ``check.csv``, one line per file, and ``check.html``, each at once or not at all.

    Raises:
        InputError: as :func:`tanq_monai.files.renewing`.
    """
    folder = Path(output_dir)
    with renewing(folder / TABLE) as temporary:
        write_text(as_csv(check), temporary)
    rows = rows_of(check)
    values = {
        "folder": printable(str(check.folder)),
        "verdict": verdict(check),
        "parts": summaries(check),
        "unusable": [row for row in rows if row.problems],
        "rows": [row for row in rows if row.scan],
        "columns": FIGURES,
    }
    template = files(__package__).joinpath("check.html.jinja").read_text(encoding="utf-8")
    write_page(folder / PAGE, template, values)
