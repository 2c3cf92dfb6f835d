"""Write `source_statistics.json` beside a segmenter's weights: what the features of its training's scans are like.

    python scripts/source_statistics.py --output-dir OUT [--model-dir MODEL] [--scans IMAGES]

`test_time: vptta` of inference.yaml compares a scan with it. Without IMAGES, the first patients of the
shipped segmenter's training are drawn anew in OUT (of 240 hospitals; none is of the vendor that is left out).
"""

from pathlib import Path

import fire
from monai.transforms import Compose, EnsureChannelFirstd
from torch import Tensor
from train_segmenter import BUNDLE, patients_step

from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.files import check_output_dir
from tanq_monai.scans.folder import find_images
from tanq_monai.scans.loading import LoadImageCheckedd
from tanq_monai.segmentation.inference.test_time.source_statistics import measure, write_statistics
from tanq_monai.segmentation.plan.plans import (
    check_model_folder,
    network_from_plans,
    patch_size_from_plans,
    space_from_plans,
)
from tanq_monai.segmentation.plan.transforms import ToPlanSpaced
from tanq_monai.steps import BUNDLES, run_steps
from tanq_monai.weights import load_weights

SUFFIXES = ("hrT2", "T2")


def source_statistics(
    output_dir: str,
    model_dir: str = str(BUNDLES / BUNDLE / "models"),
    scans: str | None = None,
    num_hospitals: int = 12,
    seed: int = 0,
) -> None:
    """Draw what is missing, measure, write.

    Args:
        output_dir: gets the patients.
        model_dir: folder of the model, of slices; gets the file.
        scans: folder of hrT2 scans of the training, where it was another one than the shipped segmenter's.
        num_hospitals: patients to draw.
        seed: of the training.
    """
    models, root = Path(model_dir), check_output_dir(output_dir).resolve()
    check_model_folder(models)
    folder = root / "hospitals" / "training_target" if scans is None else Path(scans)
    if scans is None:
        run_steps(root / "steps", [patients_step(root, seed, num_hospitals)], "patients")
    found = find_images(folder, suffixes=SUFFIXES)
    found.raise_problems()
    plans = models / "plans.json"
    load = Compose(
        [
            LoadImageCheckedd("image", suffixes=SUFFIXES),
            EnsureChannelFirstd("image"),
            ToPlanSpaced("image", space_from_plans(plans)),
        ]
    )

    def volume(case: dict[str, object]) -> Tensor:
        image: Tensor = load(case)["image"].as_tensor()
        return image[None]

    network = load_weights(network_from_plans(plans, models / "dataset.json"), models / "model.pt").eval()
    statistics = measure(network, map(volume, found.cases), patch_size_from_plans(plans))
    print(f"{write_statistics(statistics, models)}: {len(found.cases)} scans, {statistics.windows} windows")


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(source_statistics)
