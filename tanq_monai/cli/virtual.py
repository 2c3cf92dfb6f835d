"""Virtual patients."""

import sys
from functools import partial
from typing import Literal

from tanq_monai.cli.output import leave_provenance
from tanq_monai.errors import InputErrors


def phantom(
    output_dir: str,
    num_source: int = 8,
    num_target: int = 8,
    num_test: int = 4,
    size: str = "tiny",
    seed: int = 0,
    paired: int = 0,
    workers: int | None = None,
    protocols: Literal["sites", "hospitals", "left_out"] = "sites",
    intra_extrameatal: bool = False,
) -> None:
    """Write a data set of virtual patients in the layout of crossMoDA 2022.

    Args:
        output_dir: gets training_source, training_target, validation, withheld_labels and paired.
        num_source: ceT1 scans with labels.
        num_target: hrT2 scans without labels.
        num_test: hrT2 scans for testing.
        size: tiny, small, crop, full or varied.
        seed: the same seed gives the same bytes.
        paired: patients with ceT1 and hrT2 on one grid, for comparing the two voxel by voxel.
        workers: patients at a time, each with less than 0.5 GB at full size. Default: one per core.
        protocols: sites: as London and Tilburg scan. hospitals: hrT2 of other vendors, fields and flaws, for any
            segmenter. left_out: the same of the vendor that hospitals leaves out.
        intra_extrameatal: labels as in crossMoDA 2023: 1 intrameatal and 2 extrameatal VS, 3 cochlea; same scans.

    Examples:
        tanq-monai phantom --output-dir data --num-source 20 --num-target 20 --num-test 8 --size small
        tanq-monai phantom --output-dir hospitals --num-source 0 --num-test 50 --protocols hospitals --size varied
    """
    from tanq_monai.phantom import write_dataset

    write_dataset(
        output_dir,
        num_source=num_source,
        num_target=num_target,
        num_test=num_test,
        size=size,
        seed=seed,
        num_paired=paired,
        workers=workers,
        protocols=protocols,
        intra_extrameatal=intra_extrameatal,
    )
    leave_provenance(phantom, locals())


def phantom_check(
    folder: str | None = None,
    num_patients: int = 100,
    seed: int = 0,
    size: str = "crop",
    output_dir: str | None = None,
    workers: int | None = None,
) -> None:
    """Measure virtual patients, or your own scans, and print the figures beside published ones.

    Exit code 1 if a virtual patient is not as published; your own scans are only described.

    Args:
        folder: your scans, *_ceT1, *_hrT2 or *_T2.nii.gz, with *_Label.nii.gz beside those that have labels. Default:
            virtual patients, made in memory.
        num_patients: virtual ones, each with ceT1 and hrT2.
        seed: of the first virtual patient; the next has the next seed.
        size: of the virtual scans; voxels of the sizes below crop are too coarse to pass.
        output_dir: gets the tables as phantom_check.md and every scan's figures as phantom_check.csv.
        workers: threads; default one per core.

    Examples:
        tanq-monai phantom-check --num-patients 10
        tanq-monai phantom-check --folder scans
    """
    from tanq_monai.phantom.check import check_folder, check_phantom, make_folder

    if output_dir is not None:
        make_folder(output_dir)
    of_phantom = partial(check_phantom, num_patients, seed, size, workers)
    report = of_phantom() if folder is None else check_folder(folder, workers)
    sys.stdout.write(report.markdown())
    if output_dir is not None:
        report.write(output_dir)
        leave_provenance(phantom_check, locals())
    if report.unreadable:
        raise InputErrors(report.unreadable)
    if report.failures:
        sys.exit("\n".join(f"not as published: {line}" for line in report.failures))
