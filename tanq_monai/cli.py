"""The command line: ``tanq-monai COMMAND``, or ``python -m tanq_monai COMMAND``.

Research use only; not a medical device.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from typing import Literal

import fire

from tanq_monai import RESEARCH_ONLY, __version__, manual
from tanq_monai.choices.config import did_you_mean
from tanq_monai.errors import InputError, InputErrors, print_mistakes_in_one_line
from tanq_monai.words import Command, plain_words, typed


def segment(
    *scans: str,
    output_dir: str,
    ensemble_dir: str | None = None,
    ears_first: bool = True,
    threads: int | None = None,
    device: str | None = None,
    json: bool = False,
    quiet: bool = False,
) -> None:
    """Label VS and cochleae on hrT2 scans: labels, a table of volumes, and a page to look through them.

    Writes CASE_Label.nii.gz (0 background, 1 VS, 2 cochlea) on the grid of every scan; of a DICOM series also
    CASE_RTSTRUCT.dcm, its contours as an RT Structure Set of the same study; volumes.csv with volumes in ml,
    the side of the VS, its longest line in an axial slice in mm, and what speaks against the label in words;
    segmentations.html, the least plausible label first; and linked_scans, links to the scans under the names of their
    cases. A line is printed for every scan that is done, and before them the command of MONAI's that gives the same
    labels.

    Scans that cannot be used are named in the end, in one line each; the others are done all the same. DICOM series of
    other contrasts are passed over.

    The shipped weights were trained on virtual patients: research use only.

    Args:
        scans: hrT2 scans: NIfTI files of any name, folders of DICOM series, or folders of folders with both; there
            NIfTI files are taken that are called CASE_hrT2.nii.gz or CASE_T2.nii.gz.
        output_dir: gets everything; results of an earlier run are replaced, nothing else is.
        ensemble_dir: a trained model, or several with their ensemble.json. Default: the shipped model.
        ears_first: keep two cochleae as far apart as patients' are and one VS near them; false: all that the network
            labels.
        threads: that compute. Default: one for every core.
        device: cpu, cuda or cuda:1. Default: cuda where it is there.
        json: print one JSON object about everything instead, and the lines to the standard error.
        quiet: print no lines.

    Examples:
        tanq-monai segment scan.nii.gz --output-dir out
        tanq-monai segment monday/ tuesday/ --output-dir out
        tanq-monai segment study_of_dicom/ -o out --json > out.json
        tanq-monai segment scans/ -o out --ensemble-dir run/self_training/models
    """
    from json import dumps

    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # which torch reads at its import; see tanq_monai.steps
    from tanq_monai.labelling import segment_scans

    def tell(line: str) -> None:
        if json and not quiet:
            sys.stderr.write(f"{line}\n")
        elif not quiet:
            _print([line])

    done = segment_scans(
        scans, output_dir, tell, ensemble_dir=ensemble_dir, ears_first=ears_first, threads=threads, device=device
    )
    tell(f"{RESEARCH_ONLY} Volumes: {done.table}, to look through: {done.page}")
    if json:
        _print([dumps(done.described(), indent=2)])
    if done.problems:
        raise InputErrors("\n".join(done.problems))


def translate(
    dataset_dir: str,
    output_dir: str,
    style: str | None = None,
    label_free: bool = False,
    structures: dict[str, int] | None = None,
) -> None:
    """Translate ceT1 scans to pseudo-hrT2, NIfTI on the grid of every scan, with the shipped translator.

    The command of MONAI's that does it is printed first. Research use only.

    Args:
        dataset_dir: folder of CASE_ceT1.nii.gz with CASE_Label.nii.gz.
        output_dir: gets the translations, float32 in [0, 1], and 0 outside the slab round the structures.
        style: the look of hrT2: ldn as London's, etz as Tilburg's. Default: the one in the name of every scan.
        label_free: go by the structures that the translator sees instead of labels; takes twice as long.
        structures: names and label values. Default: VS 1, cochlea 2.

    Examples:
        tanq-monai translate --dataset-dir training_source --output-dir pseudo --style ldn
    """
    from pathlib import Path

    from tanq_monai.steps import TRANSLATOR, bundle_step, execute
    from tanq_monai.structures import STRUCTURES, Structures

    choices = {"dataset_dir": Path(dataset_dir).resolve(), "output_dir": Path(output_dir).resolve()}
    own = {"style": style, "structures": dict(Structures(structures or STRUCTURES)), "label_free": label_free}
    given = {name: value for name, value in own.items() if value not in (None, False, dict(STRUCTURES))}
    step = bundle_step("translate", TRANSLATOR, "inference", choices | given)
    _print([f"cd {shlex.quote(str(step.folder))} && {step.command}"])
    if code := execute(step):
        sys.exit(code if code > 0 else 128 - code)  # as shells tell of signals


def phantom(
    output_dir: str,
    num_source: int = 8,
    num_target: int = 8,
    num_test: int = 4,
    size: str = "tiny",
    seed: int = 0,
    paired: int = 0,
    workers: int | None = None,
    protocols: Literal["sites", "random", "hospitals", "left_out"] = "sites",
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
        protocols: sites: as London and Tilburg scan. random: their sequences with other settings, for pretraining on
            pairs. hospitals: hrT2 of other vendors, fields and flaws, for any segmenter. left_out: the same of
            the vendor that hospitals leaves out.
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


def phantom_check(
    folder: str | None = None,
    num_patients: int = 100,
    seed: int = 0,
    size: str = "crop",
    output_dir: str | None = None,
    workers: int | None = None,
) -> None:
    """Measure virtual patients, or your own scans, and print the figures beside the published ones.

    Exit code 1 when a virtual patient is not as published; your own scans are only described.

    Args:
        folder: your scans, *_ceT1, *_hrT2 or *_T2.nii.gz, with *_Label.nii.gz beside those that have labels. Default:
            virtual patients, made in memory.
        num_patients: virtual ones, each with ceT1 and hrT2.
        seed: of the first virtual patient; the next has the next seed.
        size: of the virtual scans; smaller ones than crop have too coarse voxels to pass.
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
    if report.unreadable:
        raise InputErrors(report.unreadable)
    if report.failures:
        sys.exit("\n".join(f"not as published: {line}" for line in report.failures))


def check(dataset_dir: str, structures: dict[str, int] | None = None, output_dir: str | None = None) -> None:
    """Look at every scan and label of a folder before anything is trained on it. Research use only.

    As training and inference read them: what cannot be used, and why; the same scan twice; a patient on both sides of
    training and testing; grids, axes, intensities, volumes beside published ones. Exit code 1 when a file cannot be
    used.

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
    _print(as_text(found).splitlines())
    if folder is not None:
        write_check(found, folder)
    found.raise_problems()


def demo(output_dir: str | None = None, size: str = "tiny", seed: int = 0) -> None:
    """Watch the shipped weights and their adaptation, without an hrT2 label, in a hospital of virtual patients.

    Args:
        output_dir: gets everything, report.html last; a demo that was stopped goes on there. Default: demo, for other
            sizes than tiny demo_SIZE.
        size: tiny (minutes) or small (more and larger scans, twice the training).
        seed: of the virtual patients and of all trainings.

    Examples:
        tanq-monai demo
        tanq-monai demo --size small
    """
    from tanq_monai.demo.pipeline import closed_gap, run_demo

    folder = output_dir or ("demo" if size == "tiny" else f"demo_{size}")
    table = run_demo(folder, size, seed)
    columns = [column for column in table.columns if "ASSD" not in column]
    sys.stdout.write(f"\n{table[columns].convert_dtypes().round(3).to_string()}\n{closed_gap(table)}\n")
    sys.stdout.write(f"Virtual patients, research only. Pictures: {folder}/report.html\n")


def evaluate(
    pred: str,
    truth: str,
    against: str | None = None,
    output_dir: str | None = None,
    structures: dict[str, int | list[int]] | None = None,
    assd: Literal["directed", "pooled"] = "directed",
    seed: int = 0,
) -> None:
    """Score predicted labels against the true ones, and against other predictions of the same cases.

    Dice and ASSD as crossMoDA defines them, on the grid of the truth, per structure and per site. Research use only.

    Args:
        pred: folder of {case}_Label.nii.gz.
        truth: folder of {case}_Label.nii.gz; decides which cases are scored.
        against: folder of other predictions, compared case by case with those of pred.
        output_dir: gets scores.csv, summary.csv, summary.txt, summary.tex, and comparison.csv with --against.
        structures: names and label values, several for a union. Default: {"VS": 1, "cochlea": 2}.
        assd: directed, the mean of the two directed means; or pooled, the mean over both surfaces.
        seed: of the bootstrap intervals.

    Examples:
        tanq-monai evaluate --pred labels --truth truth --output-dir scores
        tanq-monai evaluate --pred labels --truth truth --against others
    """
    from tanq_monai.evaluation.folder import evaluate_folder
    from tanq_monai.structures import STRUCTURES, ScoredStructures

    evaluation = evaluate_folder(
        pred,
        truth,
        against_dir=against,
        structures=ScoredStructures(structures or STRUCTURES),
        definition=assd,
        seed=seed,
    )
    sys.stdout.write(f"{evaluation}\n")
    if output_dir is not None:
        evaluation.save(output_dir)
    evaluation.raise_mistakes()


def adapt(
    dataset_dir: str,
    output_dir: str,
    size: str = "quick",
    seed: int = 0,
    truth_dir: str | None = None,
    structures: dict[str, int] | None = None,
    styles: list[str] | None = None,
) -> None:
    """From labelled ceT1 and unlabelled hrT2 scans to a self-trained segmenter of hrT2, and its labels of test scans.

    Args:
        dataset_dir: a folder of crossMoDA: training_source, training_target and validation (2022, 2023), or
            source_training, target_training and target_validation (2021).
        output_dir: gets everything; an adaptation that was stopped goes on there.
        size: quick (minutes on a CPU, from the shipped weights); paper (from nothing, days on a GPU); or small, tiny
            (trials of the whole method).
        seed: of all trainings.
        truth_dir: labels of the test scans where there are any: then they are scored.
        structures: names and label values, e.g. '{"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}'. Default:
            VS 1, cochlea 2.
        styles: parts of file names that tell looks of hrT2 apart (sites, sequences), e.g. '["ldn", "etz"]'.

    Examples:
        tanq-monai adapt --dataset-dir data --output-dir run --size quick
        tanq-monai adapt --dataset-dir data --output-dir run --truth-dir labels --styles '["ldn", "etz"]'
    """
    from tanq_monai.adaptation import run_adaptation
    from tanq_monai.structures import STRUCTURES, Structures

    done = run_adaptation(
        dataset_dir,
        output_dir,
        size,
        seed,
        truth_dir,
        Structures(structures or STRUCTURES),
        styles or (),
    )
    sys.stdout.write(f"Research only. Labels: {done.labels}, to look through: {done.report}\n")


def import_nnunet(
    results: str, output_dir: str, structures: dict[str, int] | None = None, orientation: str = "LPS"
) -> None:
    """Make a bundle of a results folder of nnU-Net v2.

    Args:
        results: .../DatasetXXX_NAME/TRAINER__PLANS__CONFIGURATION.
        output_dir: the new bundle.
        structures: names and label values that it must have, e.g. '{"VS": 1, "cochlea": 2}', which is the default.
        orientation: where the axes of its training scans point, as nibabel's nib-ls tells; crossMoDA's to LPS.

    Examples:
        tanq-monai import-nnunet --results Dataset001_VS/nnUNetTrainer__nnUNetPlans__2d --output-dir bundle
    """
    from tanq_monai.segmentation.training.import_nnunet import import_nnunet as make_bundle
    from tanq_monai.structures import STRUCTURES, Structures

    named = Structures(structures or STRUCTURES)
    for name, checkpoint in make_bundle(results, output_dir, named, orientation).items():
        sys.stdout.write(f"{name}: {checkpoint.parent.name}/{checkpoint.name}\n")
    sys.stdout.write(f"{output_dir} runs with configs/ensemble.yaml, without postprocessing of nnU-Net's\n")


def export_onnx(bundle: str, output: str | None = None) -> None:
    """Write a bundle's network as an ONNX file, and how it compares with torch on a virtual patient.

    The file runs with `python -m tanq_monai.deploy.runtime`, without torch, and in the bundle where ONNX Runtime is
    installed and the engine. It is not written where it would not do what torch does.

    Args:
        bundle: folder of tanq_translation or vs_cochlea_seg, with models/model.pt.
        output: the file. Default: models/model.onnx of the bundle.

    Examples:
        tanq-monai export-onnx --bundle bundles/vs_cochlea_seg
    """
    from tanq_monai.deploy.export import export_onnx as export

    parity = export(bundle, output)
    sys.stdout.write(f"{output or f'{bundle}/models/model.onnx'}: {parity}\n")


def report(
    scans: str,
    pred: str,
    output: str,
    truth: str | None = None,
    structures: dict[str, int] | None = None,
    title: str | None = None,
) -> None:
    """Write one HTML file to look through a folder of predictions, slices with contours, the worst case first.

    Press ? on the page for its keys; on paper it has one slice per structure. Exit code 1 when a case could not be
    shown; the others are shown all the same.

    Args:
        scans: folder of CASE_hrT2.nii.gz or CASE_T2.nii.gz.
        pred: folder of CASE_Label.nii.gz, perhaps with CASE_Confidence.nii.gz.
        output: the HTML file.
        truth: folder of CASE_Label.nii.gz; without it the least plausible volumes come first.
        structures: names and label values, e.g. '{"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}'. Default:
            VS 1, cochlea 2.
        title: of the page.

    Examples:
        tanq-monai report --scans scans --pred labels --output report.html
        tanq-monai report --scans scans --pred labels --truth truth --output report.html
    """
    from tanq_monai.report import write_report
    from tanq_monai.structures import STRUCTURES, Structures

    write_report(
        scans,
        pred,
        output,
        truth_dir=truth,
        structures=Structures(structures or STRUCTURES),
        title=title,
    )


def fetch(
    name: str,
    zoo: str,
    version: str | None = None,
    output_dir: str = "bundles",
    trust: str | None = None,
) -> None:
    """Fetch a bundle from a model zoo, check it, and install it beside its other versions. Research use only.

    Args:
        name: tanq_translation or vs_cochlea_seg.
        zoo: folder or http address of the zoo, where model_info.json lies.
        version: such as 0.1.0. Default: the newest.
        output_dir: gets the folder NAME_vVERSION, from which the bundle runs.
        trust: SHA-256 of a zip that you have read, as `audit` tells it: that one is taken, and no other, although it
            brings configs or code of its own, and with its TorchScript.

    Examples:
        tanq-monai fetch vs_cochlea_seg --zoo https://example.org/zoo
    """
    from tanq_monai.deploy.zoo.fetch import fetch_bundle

    _print([str(fetch_bundle(name, zoo, output_dir, version, trust))])


def audit(bundle: str) -> None:
    """Print everything that a bundle would run; exit code 1 if any of it is not of the installed tanq_monai.

    Args:
        bundle: its folder, or its zip file.

    Examples:
        tanq-monai audit bundles/vs_cochlea_seg_v0.1.0
    """
    from tanq_monai.deploy.zoo.audit import audit_bundle

    lines, problems = audit_bundle(bundle)
    _print(lines)
    if problems:
        raise InputErrors(problems)


def _print(lines: Sequence[str]) -> None:
    """Whether or not someone reads to the end (`| head`)."""
    try:
        for line in lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end


COMMANDS: dict[str, Command] = {
    "segment": segment,
    "translate": translate,
    "check": check,
    "adapt": adapt,
    "evaluate": evaluate,
    "report": report,
    "demo": demo,
    "phantom": phantom,
    "phantom-check": phantom_check,
    "import-nnunet": import_nnunet,
    "export-onnx": export_onnx,
    "fetch": fetch,
    "audit": audit,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; it ends as :func:`tanq_monai.errors.print_mistakes_in_one_line` says.

    Args:
        argv: the command and its options. Default: those that this process was started with.
    """
    print_mistakes_in_one_line()
    words = sys.argv[1:] if argv is None else list(argv)
    command, helps = words[0] if words else "", {"--help", "-h"}
    if command == "--version":
        _print([f"{manual.PROGRAM} {__version__}"])
    elif not command or command in helps:
        _print(manual.overview(COMMANDS, RESEARCH_ONLY))
    elif command not in COMMANDS:
        raise InputError(command, "is no command", did_you_mean(command, COMMANDS))
    elif helps & {*words}:
        _print(manual.page(command, COMMANDS[command], RESEARCH_ONLY))
    else:
        plain = [command, *plain_words(command, COMMANDS[command], words[1:])]
        fire.Fire({name: typed(one) for name, one in COMMANDS.items()}, command=plain, name=manual.PROGRAM)
