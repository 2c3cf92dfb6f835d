"""The figure of docs/method.md: ceT1 of a virtual patient, its translation by the shipped weights, and the true hrT2.

    python scripts/translation_figure.py --output-dir OUT [--seed 4]

makes the patient in both contrasts on one grid, translates the ceT1 scan, and draws OUT/translation.png.
"""

import textwrap
from pathlib import Path

import fire
import nibabel as nib

from tanq_monai.demo.panels import TEXT, dark_figure, frame, legend, outline, png, show
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir, renewing
from tanq_monai.report.axial import EARS_MM, Volume, Window, ears, grey_limits, places, turned_to_lps
from tanq_monai.steps import TRANSLATOR, Step, bundle_step, run_steps

CASE = "crossmoda2021_ldn_301"  # the first pair of the phantom; London's hrT2 is the look that it is translated to
CLOSE_MM = (EARS_MM[0], 0.65 * EARS_MM[0])


def translation_figure(output_dir: str, seed: int = 4) -> None:
    """Make the scans, translate, draw.

    Args:
        output_dir: gets everything.
        seed: of the virtual patient.
    """
    root = check_output_dir(output_dir).resolve()
    pair, translated = root / "phantom" / "paired", root / "translated"
    words = ("--num-source", 0, "--num-target", 0, "--num-test", 0, "--paired", 2, "--size", "full", "--seed", seed)
    phantom = ("-m", "tanq_monai", "phantom", "--output-dir", root / "phantom", *words)
    folders = {"dataset_dir": pair, "output_dir": translated, "style": "ldn"}
    steps = [Step("phantom", tuple(map(str, phantom))), bundle_step("translate", TRANSLATOR, "inference", folders)]
    run_steps(root / "steps", steps, "figure")
    label = _read(pair / f"{CASE}_Label.nii.gz")
    columns = {
        "ceT1, labelled": _read(pair / f"{CASE}_ceT1.nii.gz"),
        "pseudo-hrT2, translated": _read(translated / f"{CASE}_hrT2.nii.gz"),
        "hrT2 of the same patient, which no training saw": _read(pair / f"{CASE}_hrT2.nii.gz"),
    }
    with renewing(root / "translation.png") as temporary:
        temporary.write_bytes(draw(columns, label))
    print(root / "translation.png")


def draw(columns: dict[str, Volume], label: Volume, width: float = 4.4) -> bytes:
    """PNG of a row with the whole slice, and a row for the largest slice of every structure with its outlines.

    Args:
        columns: scans by title.
        label: of all of them; has a VS.
        width: of a panel, inches.
    """
    spots = {spot.structure: spot for spot in places(label)}
    whole, close = Window(label.middle, label.size), Window(ears(label).centre, CLOSE_MM)
    shapes = [whole.size[1] / whole.size[0], *(close.size[1] / close.size[0] for _ in spots)]
    figure, axes = dark_figure(1 + len(spots), len(columns), width=width, heights=[width * shape for shape in shapes])
    for column, (title, scan) in enumerate(columns.items()):
        limits = grey_limits(scan, spots["VS"].z, close)
        show(axes[0][column], scan, spots["VS"].z, whole, limits=limits, scale_mm=50)
        frame(axes[0][column], close)
        axes[0][column].set_title(textwrap.fill(title, round(11 * width)), color=TEXT, fontsize=11)
        for row, (structure, spot) in enumerate(spots.items(), start=1):
            show(axes[row][column], scan, spot.z, close, limits=limits, scale_mm=20)
            outline(axes[row][column], label, spot.z)
            axes[row][0].set_ylabel(f"largest {structure}", color=TEXT, fontsize=11)
    axes[0][0].set_ylabel("whole slice", color=TEXT, fontsize=11)
    legend(figure)
    return png(figure)


def _read(path: Path) -> Volume:
    return turned_to_lps(nib.load(path))


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(translation_figure)
