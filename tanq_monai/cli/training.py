"""Trainings, and what is made from trained networks."""

import sys

from tanq_monai.cli.output import leave_provenance


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
            source_training, target_training and target_validation (2021). quick reads hrT2 alone.
        output_dir: gets everything; an adaptation that was stopped continues there.
        size: quick (minutes on a CPU, from the shipped weights); paper (from nothing, days on a GPU); or small, tiny
            (trials of the whole method).
        seed: of all trainings.
        truth_dir: true labels of the test scans, if there are any: the results are then scored.
        structures: names and label values, e.g. '{"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}'. Default:
            VS 1, cochlea 2.
        styles: parts of file names that distinguish looks of hrT2 (sites, sequences), e.g. '["ldn", "etz"]'.

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
    leave_provenance(adapt, locals())
    sys.stdout.write(f"Research only. Labels: {done.labels}, to look through: {done.report}\n")


def demo(output_dir: str | None = None, size: str = "tiny", seed: int = 0) -> None:
    """See what the shipped weights and their adaptation without an hrT2 label do in a hospital of virtual patients.

    Args:
        output_dir: gets everything, report.html last; a demo that was stopped continues there. Default: demo, or
            demo_SIZE for other sizes than tiny.
        size: tiny (minutes) or small (more and larger scans, twice the training).
        seed: of the virtual patients and of all trainings.

    Examples:
        tanq-monai demo
        tanq-monai demo --size small
    """
    from tanq_monai.demo.pipeline import closed_gap, run_demo

    output_dir = output_dir or ("demo" if size == "tiny" else f"demo_{size}")
    table = run_demo(output_dir, size, seed)
    leave_provenance(demo, locals())
    columns = [column for column in table.columns if "ASSD" not in column]
    sys.stdout.write(f"\n{table[columns].convert_dtypes().round(3).to_string()}\n{closed_gap(table)}\n")
    sys.stdout.write(f"Virtual patients, research only. Pictures: {output_dir}/report.html\n")


def import_nnunet(
    results: str, output_dir: str, structures: dict[str, int] | None = None, orientation: str = "LPS"
) -> None:
    """Make a bundle from a results folder of nnU-Net v2.

    Args:
        results: .../DatasetXXX_NAME/TRAINER__PLANS__CONFIGURATION.
        output_dir: the new bundle.
        structures: names and label values that it must have, e.g. '{"VS": 1, "cochlea": 2}', which is the default.
        orientation: where the axes of its training scans point, as nibabel's nib-ls prints it; crossMoDA's to LPS.

    Examples:
        tanq-monai import-nnunet --results Dataset001_VS/nnUNetTrainer__nnUNetPlans__2d --output-dir bundle
    """
    from tanq_monai.segmentation.training.import_nnunet import import_nnunet as make_bundle
    from tanq_monai.structures import STRUCTURES, Structures

    named = Structures(structures or STRUCTURES)
    for name, checkpoint in make_bundle(results, output_dir, named, orientation).items():
        sys.stdout.write(f"{name}: {checkpoint.parent.name}/{checkpoint.name}\n")
    leave_provenance(import_nnunet, locals())
    sys.stdout.write(f"{output_dir} runs with configs/ensemble.yaml, without postprocessing of nnU-Net's\n")


def export_onnx(bundle: str, output: str | None = None) -> None:
    """Write a bundle's network as an ONNX file, and print how it compares with torch on a virtual patient.

    The file runs with `python -m tanq_monai.deploy.runtime`, without torch; and in the bundle, if ONNX Runtime is
    installed and chosen as the engine. It is not written if its results differ from torch's.

    Args:
        bundle: folder of tanq_translation or vs_cochlea_seg, with models/model.pt.
        output: the file. Default: models/model.onnx of the bundle.

    Examples:
        tanq-monai export-onnx --bundle bundles/vs_cochlea_seg
    """
    from tanq_monai.deploy.export import export_onnx as export

    parity = export(bundle, output)
    sys.stdout.write(f"{output or f'{bundle}/models/model.onnx'}: {parity}\n")


def federate(
    startup_kit: str,
    sites: list[str],
    num_rounds: int = 6,
    iterations_per_epoch: int = 100,
    batch_size: int = 4,
    learning_rate: float = 0.0003,
    seed: int = 0,
) -> None:
    """Train a segmenter at several hospitals, none of which gives a scan or label away, by NVIDIA FLARE.

    Server and sites are running, each by its startup kit and its local/segmenter.json: docs/federated.md. In a round
    every site trains on its own labelled scans from the same weights, and the server averages what they send.

    Args:
        startup_kit: folder of the kit of whoever sends the job, made by `nvflare provision`.
        sites: hospitals by the names of their kits, e.g. '["london", "tilburg"]'; it begins when all are connected.
        num_rounds: after each of which the weights of all sites are averaged.
        iterations_per_epoch: steps of every site in a round.
        batch_size: patches in a step.
        learning_rate: in the first round.
        seed: of every batch.

    Examples:
        tanq-monai federate --startup-kit kits/admin@coordinator.org --sites '["london", "tilburg"]'
    """
    from tanq_monai.federated.exchange import Training
    from tanq_monai.federated.job import run_job

    training = Training(num_rounds, iterations_per_epoch, batch_size, learning_rate, seed)
    name = run_job(startup_kit, sites, training)
    sys.stdout.write(f"Research only. Job {name} is done; the model lies in the server's output_dir.\n")
