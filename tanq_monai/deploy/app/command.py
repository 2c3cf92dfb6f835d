"""DICOM in, DICOM and a report out: segment, translate, virtual-series. Research use only; not a medical device."""

import argparse
import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from tanq_monai.deploy.app.bundle import Bundle, find_bundle, style_of_bundle
from tanq_monai.deploy.app.selection import Series, choose_series
from tanq_monai.deploy.app.virtual_study import write_virtual_series
from tanq_monai.dicom_results.structure_set import check_referable
from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import filling
from tanq_monai.scans.contrast import OWN_RULES
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.volume import read_grid
from tanq_monai.structures import STRUCTURES

CONTRASTS = {"segment": ("hrT2", "vs_cochlea_seg"), "translate": ("ceT1", "tanq_translation")}


def main(arguments: list[str] | None = None) -> None:
    """Run a command; it ends as :func:`tanq_monai.errors.print_mistakes_in_one_line` says, with all results or none."""
    print_mistakes_in_one_line()
    options = _parser().parse_args(arguments)
    _check_given(options)
    if options.command == "virtual-series":
        write_virtual_series(options.input, options.sequence, options.output)
        return
    contrast, name = CONTRASTS[options.command]
    bundle = find_bundle(options.model, name)
    if options.command == "translate":
        options.style = style_of_bundle(bundle, options.style)
    series = choose_series(options.input, contrast, options.rules, options.series)
    if options.command == "segment":
        check_referable(series.slices)
    with filling(options.output) as output, tempfile.TemporaryDirectory() as links:
        _run(options, series, _link(series, Path(links) / "series"), bundle, output)
    sys.stdout.write(f"Research use only. Results: {options.output}\n")


def _run(options: argparse.Namespace, series: Series, source: Path, bundle: Bundle, output: Path) -> None:
    label = Path(options.label).resolve() if options.command == "translate" else None
    if label is not None:
        read_labels(label, STRUCTURES.values(), read_grid(source), "its scan")
    if options.log_level != "DEBUG":
        os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "ERROR")
        warnings.simplefilter("ignore")  # of libraries, about themselves
    try:
        from monai.deploy.core import Application  # seconds, which no mistake has to wait for
    except ImportError as error:
        remedy = "make .venv-deploy/ready, and use .venv-deploy/bin/python"
        raise InputError("MONAI Deploy", "is not installed in this environment", remedy) from error

    from tanq_monai.deploy.app.application import SegmentationApplication, TranslationApplication

    context = Application.init_app_context([sys.argv[0], "--log-level", options.log_level])
    with _working_in(bundle.root):  # the paths of its configs start there
        if label is not None:
            TranslationApplication(context, series, source, bundle, output, label, options.style).run()
            return
        SegmentationApplication(context, series, source, bundle, output).run()


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _link(series: Series, folder: Path) -> Path:
    """A folder that holds the series alone."""
    folder.mkdir()
    for number, file in enumerate(series.files, start=1):
        (folder / f"IM{number:04}.dcm").symlink_to(file.resolve())
    return folder


def _check_given(options: argparse.Namespace) -> None:
    for name in ("input", "output", *(() if options.command == "virtual-series" else ("model",))):
        if not getattr(options, name):
            raise InputError(f"--{name}", "is missing", f"give it, or HOLOSCAN_{name.upper()}_PATH")
        setattr(options, name, str(Path(getattr(options, name)).resolve()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tanq_monai.deploy.app", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, (contrast, bundle) in CONTRASTS.items():
        one = commands.add_parser(command, help=f"{contrast} series through the bundle {bundle}")
        _add_paths(one)
        one.add_argument("-m", "--model", default=os.environ.get("HOLOSCAN_MODEL_PATH"), help=f"folder of {bundle}")
        one.add_argument(
            "-l", "--log-level", type=str.upper, default="ERROR", choices=["DEBUG", "INFO", "WARN", "ERROR"]
        )
        one.add_argument(
            "--rules", default=str(OWN_RULES), help="which series to take, in place of the package's rules"
        )
        one.add_argument("--series", help="SeriesInstanceUID of the series to take, whatever the rules say")
        if command == "translate":
            one.add_argument("--label", required=True, help="NIfTI map on the grid of the series: 1 VS, 2 cochlea")
            one.add_argument("--style", help="look of hrT2, where the bundle knows several, e.g. ldn")
    virtual = commands.add_parser("virtual-series", help="a scan of the phantom as a DICOM series")
    _add_paths(virtual)
    virtual.add_argument("--sequence", required=True, help="of patients.csv, e.g. CISS")
    return parser


def _add_paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--input", default=os.environ.get("HOLOSCAN_INPUT_PATH"), help="folder of DICOM files")
    parser.add_argument("-o", "--output", default=os.environ.get("HOLOSCAN_OUTPUT_PATH"), help="new or empty folder")
