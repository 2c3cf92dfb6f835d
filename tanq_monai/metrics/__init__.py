"""How good a segmentation is: Dice and average symmetric surface distance, per case, summarised and compared."""

from tanq_monai.metrics.comparison import compare
from tanq_monai.metrics.dice import dice
from tanq_monai.metrics.evaluation import Evaluation, evaluate_folder
from tanq_monai.metrics.scoring import evaluate_case
from tanq_monai.metrics.statistics import bootstrap_interval, paired_statistics, summarize, summarize_sites
from tanq_monai.metrics.surface_distance import (
    EMPTY_PREDICTION_MM,
    average_surface_distance,
    surface_indices,
    voxel_spacing,
)
from tanq_monai.structures import STRUCTURES, ScoredStructures

__all__ = [
    "EMPTY_PREDICTION_MM",
    "STRUCTURES",
    "Evaluation",
    "ScoredStructures",
    "average_surface_distance",
    "bootstrap_interval",
    "compare",
    "dice",
    "evaluate_case",
    "evaluate_folder",
    "paired_statistics",
    "summarize",
    "summarize_sites",
    "surface_indices",
    "voxel_spacing",
]
