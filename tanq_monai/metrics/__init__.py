"""How good a segmentation is: Dice and average symmetric surface distance, per case and summarised."""

from tanq_monai.metrics.dice import dice
from tanq_monai.metrics.evaluation import STRUCTURES, Evaluation, evaluate_case, evaluate_folder, summarize
from tanq_monai.metrics.surface_distance import (
    EMPTY_PREDICTION_MM,
    average_surface_distance,
    surface,
    voxel_spacing,
)

__all__ = [
    "EMPTY_PREDICTION_MM",
    "STRUCTURES",
    "Evaluation",
    "average_surface_distance",
    "dice",
    "evaluate_case",
    "evaluate_folder",
    "summarize",
    "surface",
    "voxel_spacing",
]
