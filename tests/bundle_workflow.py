"""The bundles' configs as MONAI's workflows, for tests."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
from monai.bundle import ConfigWorkflow

THREE = {"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}  # crossMoDA 2023
BUNDLES = Path(__file__).parents[1] / "bundles"
# What MONAI's schema requires; the schema itself lies on the network, which tests do not use.
METADATA_SCHEMA = {
    "type": "object",
    "required": [
        *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"),
        *("task", "description", "authors", "copyright", "network_data_format", "changelog", "intended_use"),
        *("references", "eval_metrics", "data_source", "image_classes", "label_classes", "pred_classes"),
    ],
}


def workflow(bundle: str, config: str, *overlays: str, **override: object) -> ConfigWorkflow:
    """The initialized workflow of ``bundles/{bundle}/configs/{config}.yaml`` and overlays, choices overridden.

    In float32 unless told otherwise: what is compared is the same on every processor.
    """
    configs = BUNDLES / bundle / "configs"
    chosen = {"amp": False} if "\namp:" in (configs / f"{config}.yaml").read_text() else {}
    flow = ConfigWorkflow(
        config_file=[str(configs / f"{name}.yaml") for name in (config, *overlays)],
        meta_file=str(configs / "metadata.json"),
        logging_file=str(configs / "logging.conf"),
        workflow_type="train" if config.startswith("train") else "inference",
        **({"bundle_root": str(BUNDLES / bundle)} | chosen | override),
    )
    flow.initialize()
    return flow


def three_classes(scans: Path, folder: Path) -> Path:
    """A copy of a folder of scans whose labels are :data:`THREE`: every second sagittal plane of the VS is outside."""
    shutil.copytree(scans, folder)
    for path in folder.glob("*_Label.nii.gz"):
        label = nib.load(path)
        values = np.array([0, 1, 3])[np.asarray(label.dataobj).astype(int)]
        values[::2][values[::2] == 1] = 2
        nib.save(nib.Nifti1Image(values.astype(np.float64), label.affine), path)
    return folder
