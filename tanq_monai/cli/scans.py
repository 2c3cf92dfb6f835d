"""What is done with scans: labelling, translating, looking them through."""

import os
import shlex
import sys

from tanq_monai import RESEARCH_ONLY
from tanq_monai.cli.output import leave_provenance, print_lines
from tanq_monai.errors import InputErrors


def segment(
    *scans: str,
    output_dir: str,
    ensemble_dir: str | None = None,
    ears_first: bool = True,
    acq: str | None = None,
    threads: int | None = None,
    device: str | None = None,
    json: bool = False,
    quiet: bool = False,
) -> None:
    """Label VS and cochleae on hrT2 scans: labels, a table of volumes, and a page to look through them.

    Writes CASE_Label.nii.gz (0 background, 1 VS, 2 cochlea) on the grid of every scan; for a DICOM series also
    CASE_RTSTRUCT.dcm, its contours as an RT Structure Set of the same study; volumes.csv with volumes in ml, the side
    of the VS, its longest line in an axial slice in mm, its Koos grade, estimated, and in words what speaks against the
    label; segmentations.html, the least plausible label first; and linked_scans, links to the scans under the names of
    their cases. First the MONAI command that gives the same labels is printed, then a line for every scan that is done.

    For a BIDS data set, or subjects or sessions of it, the output folder becomes a BIDS derivative: for every T2w scan
    sub-.../anat/..._desc-tanq_dseg.nii.gz with a side-car, and dseg.tsv, which says what the values mean; the table,
    the page and everything else lie in sourcedata.

    Scans that cannot be used are named at the end, in one line each; the others are done all the same. DICOM series of
    other contrasts are passed over, and so are scans of a data set if their side-cars name another contrast.

    The shipped weights were trained on virtual patients: research use only.

    Args:
        scans: hrT2 scans: NIfTI files of any name, folders of DICOM series, or trees of folders with both, where NIfTI
            files must be called CASE_hrT2.nii.gz or CASE_T2.nii.gz. Or a BIDS data set.
        output_dir: gets everything; results of an earlier run are replaced, nothing else is.
        ensemble_dir: a trained model, or several with their ensemble.json. Default: the shipped model.
        ears_first: keep two cochleae as far apart as patients' are and one VS near them; false: all that the network
            labels.
        acq: of a BIDS data set, only the scans of this acquisition: CISS of sub-01_acq-CISS_T2w.nii.gz.
        threads: that compute. Default: one for every core.
        device: cpu, cuda or cuda:1. Default: cuda if there is a CUDA device.
        json: print one JSON object about everything instead, and the lines to the standard error.
        quiet: print no lines.

    Examples:
        tanq-monai segment scan.nii.gz --output-dir out
        tanq-monai segment monday/ tuesday/ --output-dir out
        tanq-monai segment study_of_dicom/ -o out --json > out.json
        tanq-monai segment scans/ -o out --ensemble-dir run/self_training/models
        tanq-monai segment bids/ --acq CISS -o bids/derivatives/tanq-monai
    """
    from json import dumps

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # which torch reads at its import; see tanq_monai.steps
    from tanq_monai.labelling import segment_dataset

    def tell(line: str) -> None:
        if json and not quiet:
            sys.stderr.write(f"{line}\n")
        elif not quiet:
            print_lines([line])

    done = segment_dataset(
        scans,
        output_dir,
        tell,
        ensemble_dir=ensemble_dir,
        ears_first=ears_first,
        acq=acq,
        threads=threads,
        device=device,
    )
    leave_provenance(segment, locals(), {one.case: one.sha256 for one in done.labelled}, done.folder)
    tell(f"{RESEARCH_ONLY} Volumes: {done.table}, to look through: {done.page}")
    if json:
        print_lines([dumps(done.described(), indent=2)])
    if done.problems:
        raise InputErrors("\n".join(done.problems))


def cohort(
    *scans: str,
    output_dir: str,
    cluster: str = "local",
    workers: int = 1,
    ensemble_dir: str | None = None,
    ears_first: bool = True,
    threads: int | None = None,
    device: str | None = None,
) -> None:
    """Label thousands of scans as `segment` does, by any number of workers: of this machine, or of a cluster.

    Writes CASE_Label.nii.gz and CASE_RTSTRUCT.dcm as `segment` does; volumes.csv, a row for every labelled scan; and
    cohort.csv, a row for every scan that was found, with its outcome and, where it failed, the reason in a line.
    Started again, it does what is left: scans that have no label yet, have changed, or failed. A worker that dies is
    replaced, and its scan is given to another one.

    Needs Dask: python -m pip install "tanq-monai[cohort]". Research use only.

    Args:
        scans: as those of `segment`.
        output_dir: gets everything; results of an earlier run are replaced, nothing else is. Workers of a cluster write
            there as well.
        cluster: local: processes of this machine; or slurm, sge, pbs: jobs of one worker each, which Dask's
            jobqueue.yaml describes, see docs/cohort.md.
        workers: how many; a worker holds one scan at a time, and the models.
        ensemble_dir: a trained model, or several with their ensemble.json. Default: the shipped model.
        ears_first: keep two cochleae as far apart as patients' are and one VS near them; false: all that the network
            labels.
        threads: that compute in a worker. Default: its share of this machine's cores, or the cores of a job.
        device: of a worker: cpu, cuda or cuda:1. Default: cuda if there is a CUDA device.

    Examples:
        tanq-monai cohort dicom/ --output-dir labels
        tanq-monai cohort dicom/ --output-dir labels --workers 4
        tanq-monai cohort dicom/ --output-dir labels --cluster slurm --workers 40
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as for segment
    from tanq_monai.cohort import label_cohort

    done = label_cohort(
        scans,
        output_dir,
        lambda line: print_lines([line]),
        cluster=cluster,
        workers=workers,
        ensemble_dir=ensemble_dir,
        ears_first=ears_first,
        threads=threads,
        device=device,
    )
    leave_provenance(cohort, locals(), {case: one.sha256 for case, one in done.labelled.items()})
    print_lines([f"{RESEARCH_ONLY} Volumes: {done.table}, every scan's outcome: {done.outcomes}"])
    done.raise_failures()


def growth(
    *scans: str,
    output_dir: str,
    dates: str | None = None,
    acq: str | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> None:
    """Measure the VS of one patient over time: volumes with intervals, changes beside the noise, doubling time.

    Uses labels (files called CASE_Label.nii.gz, or CASE_dseg.nii.gz in a BIDS derivative) as they are; scans are first
    labelled with the shipped weights. Writes growth.csv; growth.html with a plot; and for scans, into the folder
    labels, all that `segment` writes. A change of 20 % or more is flagged. The noise is how much volumes differed
    between repeated scans of virtual patients in whom nothing had grown.

    Args:
        scans: of one patient, hrT2, two or more: as those of `segment`, a subject of a BIDS data set among them; or
            CASE_Label.nii.gz.
        output_dir: gets everything; results of an earlier run are replaced, nothing else is.
        dates: CSV file with the columns case and date (2024-05-31). DICOM series have dates of their own, and so have
            BIDS data sets, in scans.tsv or sessions.tsv; a date in this file takes precedence. Cases are called as in
            volumes.csv of `segment`.
        acq: of a BIDS data set, only the scans of this acquisition.
        threads: that compute. Default: one for every core.
        device: cpu, cuda or cuda:1. Default: cuda if there is a CUDA device.

    Examples:
        tanq-monai growth study_2021/ study_2024/ --output-dir growth
        tanq-monai growth a_hrT2.nii.gz b_hrT2.nii.gz --dates dates.csv --output-dir growth
        tanq-monai growth bids/sub-01 --acq CISS --output-dir growth
        tanq-monai growth a_Label.nii.gz b_Label.nii.gz --dates dates.csv --output-dir growth
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as for segment
    from tanq_monai.growth import measure_growth

    done = measure_growth(
        scans, output_dir, lambda line: print_lines([line]), dates, acq, threads=threads, device=device
    )
    leave_provenance(growth, locals())
    print_lines([*done.lines, f"{RESEARCH_ONLY} Table: {done.table}, page: {done.page}"])


def translate(
    dataset_dir: str,
    output_dir: str,
    style: str | None = None,
    label_free: bool = False,
    structures: dict[str, int] | None = None,
) -> None:
    """Translate ceT1 scans to pseudo-hrT2, NIfTI on the grid of every scan, with the shipped translator.

    First the MONAI command that does it is printed. Research use only.

    Args:
        dataset_dir: folder of CASE_ceT1.nii.gz with CASE_Label.nii.gz.
        output_dir: gets the translations, float32 in [0, 1], and 0 outside the slab round the structures.
        style: the look of hrT2: ldn as London's, etz as Tilburg's. Default: the one in the name of every scan.
        label_free: use the structures that the translator itself finds instead of labels; takes twice as long.
        structures: names and label values. Default: as in the model's training, VS 1, cochlea 2.

    Examples:
        tanq-monai translate --dataset-dir training_source --output-dir pseudo --style ldn
    """
    from pathlib import Path

    from tanq_monai.steps import TRANSLATOR, bundle_step, execute
    from tanq_monai.structures import Structures

    choices = {"dataset_dir": Path(dataset_dir).resolve(), "output_dir": Path(output_dir).resolve()}
    named = Structures(structures).plain() if structures else None
    own = {"style": style, "structures": named, "label_free": label_free}
    given = {name: value for name, value in own.items() if value not in (None, False)}
    step = bundle_step("translate", TRANSLATOR, "inference", choices | given)
    print_lines([f"cd {shlex.quote(str(step.folder))} && {step.command}"])
    if code := execute(step):
        sys.exit(code if code > 0 else 128 - code)  # as shells tell of signals
    leave_provenance(translate, locals())


def check(dataset_dir: str, structures: dict[str, int] | None = None, output_dir: str | None = None) -> None:
    """Look at every scan and label of a folder before anything is trained on it. Research use only.

    It reads them as training and inference do, and reports what cannot be used, and why; the same scan twice; a patient
    who is in both training and testing; grids, axes, intensities, and volumes beside published ones. Exit code 1 if a
    file cannot be used.

    Args:
        dataset_dir: a folder of crossMoDA, see `adapt --help`; or any folder of scans, NIfTI or DICOM.
        structures: names and label values, e.g. '{"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}'. Default:
            VS 1, cochlea 2.
        output_dir: gets the table as check.csv and as the page check.html.

    Examples:
        tanq-monai check --dataset-dir data
        tanq-monai check --dataset-dir scans --output-dir checked
    """
    from tanq_monai.check import check_dataset
    from tanq_monai.check.output import prepare_output, write_check
    from tanq_monai.check.tables import as_text
    from tanq_monai.structures import STRUCTURES, Structures

    folder = None if output_dir is None else prepare_output(output_dir, dataset_dir)
    found = check_dataset(dataset_dir, Structures(structures or STRUCTURES))
    print_lines(as_text(found).splitlines())
    if folder is not None:
        write_check(found, folder)
        leave_provenance(check, locals())
    found.raise_problems()
