"""Which of a run's trained models to use: nnU-Net's ``find_best_configuration``, as a file that we can run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunetv2.evaluation.find_best_configuration import find_best_configuration

from tanq_monai.errors import InputError
from tanq_monai.files import write_json
from tanq_monai.segmentation.inference.ensemble import DESCRIPTION
from tanq_monai.segmentation.plan.plans import check_model_folder, read_json
from tanq_monai.segmentation.training.folders import DATASET, PLANS, RunFolders
from tanq_monai.segmentation.training.preparation import FOLDS, processes_or_threads


def model_name(configuration: str, fold: int | str) -> str:
    """Name of the model folder of one training: ``2d_fold_0``."""
    return f"{configuration}_fold_{fold}"


def check_folds(folds: object) -> None:
    """Raise :class:`InputError` unless these are some of the five folds, or ``["all"]``."""
    numbers = isinstance(folds, Sequence) and not isinstance(folds, str) and len(folds) > 0
    if not numbers or (list(folds) != ["all"] and not set(folds) <= set(range(FOLDS))):  # type: ignore[call-overload]
        raise InputError(f"folds {folds}", "are none", "write e.g. [0, 1, 2, 3, 4] or ['all']")


def select_models(
    run_dir: str | Path,
    configurations: Sequence[str],
    folds: Sequence[int | str],
    trainer: str = "nnUNetTrainer",
    num_processes: int = 2,
) -> dict[str, Any]:
    """Write ``ensemble.json`` in the run's ``models``: which models, and which postprocessing.

    With folds, nnU-Net decides by the validation of all of them: the best configuration, or the best pair of two, and
    for which structures only the largest component is kept. Models that were trained on all cases have no validation:
    then all configurations are averaged, without postprocessing.

    Args:
        run_dir: ``output_dir`` of the trainings.
        configurations: that were trained, each with all ``folds``.
        folds: numbers, or ``["all"]``.
        trainer: nnU-Net's, as in the trainings.
        num_processes: 0 = threads.

    Returns:
        The content of the file: ``groups``, ``postprocessing``, and ``dice``, the mean Dice of every choice.

    Raises:
        InputError: when a fold or its validation is missing.
    """
    check_folds(folds)
    folders = RunFolders(run_dir)
    models = folders.root / "models"
    for configuration in configurations:
        for fold in folds:
            check_model_folder(models / model_name(configuration, fold))
    if list(folds) == ["all"]:
        chosen: dict[str, Any] = {"configurations": list(configurations), "postprocessing": [], "dice": {}}
    else:
        chosen = _find_best(folders, configurations, [int(fold) for fold in folds], trainer, num_processes)
    groups = [[model_name(name, fold) for fold in folds] for name in chosen.pop("configurations")]
    ensemble = {"groups": groups, **chosen}
    write_json(ensemble, models / DESCRIPTION)
    return ensemble


def _find_best(
    folders: RunFolders, configurations: Sequence[str], folds: list[int], trainer: str, num_processes: int
) -> dict[str, Any]:
    wanted = [{"plans": PLANS, "configuration": name, "trainer": trainer} for name in configurations]
    for name in configurations:
        for fold in folds:
            summary = _results(folders, trainer, name) / f"fold_{fold}" / "validation" / "summary.json"
            if not summary.is_file():
                raise InputError(
                    summary, "is missing", f"train {name} with --fold {fold}, which ends in its validation"
                )
    with folders.active(), processes_or_threads(num_processes):
        found = find_best_configuration(DATASET, wanted, num_processes=max(1, num_processes), folds=tuple(folds))
    best = found["best_model_or_ensemble"]
    postprocessing = read_json(Path(best["postprocessing_file"]).with_suffix(".json"))
    return {
        "configurations": [model["configuration"] for model in best["selected_model_or_models"]],
        "postprocessing": [_labels(step) for step in postprocessing["postprocessing_kwargs"]],
        "dice": found["all_results"],
    }


def _results(folders: RunFolders, trainer: str, configuration: str) -> Path:
    return folders.results / DATASET / f"{trainer}__{PLANS}__{configuration}"


def _labels(step: dict[str, Any]) -> list[int]:
    """The label values of one step of nnU-Net's postprocessing: one structure, or all together."""
    labels = step["labels_or_regions"]
    return [int(label) for label in (labels if isinstance(labels, list) else [labels])]
