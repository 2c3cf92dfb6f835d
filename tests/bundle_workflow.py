"""The bundles' configs as MONAI's workflows, for tests."""

from pathlib import Path

from monai.bundle import ConfigWorkflow

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
    """The initialized workflow of ``bundles/{bundle}/configs/{config}.yaml`` and overlays, choices overridden."""
    configs = BUNDLES / bundle / "configs"
    flow = ConfigWorkflow(
        config_file=[str(configs / f"{name}.yaml") for name in (config, *overlays)],
        meta_file=str(configs / "metadata.json"),
        logging_file=str(configs / "logging.conf"),
        workflow_type="train" if config.startswith("train") else "inference",
        bundle_root=str(BUNDLES / bundle),
        **override,
    )
    flow.initialize()
    return flow
