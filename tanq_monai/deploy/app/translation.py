"""The translation bundle, run on one DICOM series."""

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from monai.bundle import ConfigWorkflow

from tanq_monai.deploy.app.bundle import Bundle
from tanq_monai.deploy.app.mr_series import write_mr_series
from tanq_monai.deploy.app.selection import Series
from tanq_monai.deploy.app.synthetic import source_tags, synthetic_tags


def translate_series(
    series: Series, folder: Path, label: Path, bundle: Bundle, output: Path, style: str | None = None
) -> None:
    """Write the synthetic hrT2 series of a ceT1 series, on its grid, of float32 values that are kept to 1/131070.

    MONAI Deploy's own way through a bundle makes images uint8; so this one runs the bundle's ``inference.yaml``.

    Args:
        series: the ceT1 series.
        folder: that holds its files alone.
        label: NIfTI map of VS 1 and cochlea 2 on its grid.
        bundle: tanq_translation.
        output: folder that gets IM0001.dcm, ...
        style: look of hrT2; None where the bundle knows one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        workflow = ConfigWorkflow(
            config_file=str(bundle.root / "configs" / "inference.yaml"),
            meta_file=str(bundle.root / "configs" / "metadata.json"),
            workflow_type="inference",
            # As paths: MONAI makes something else of a # in texts.
            bundle_root=bundle.root,
            dataset_dir=folder,
            label_dir=label,
            output_dir=Path(scratch),
            **({} if style is None else {"style": style}),
        )
        workflow.initialize()
        workflow.run()
        workflow.finalize()
        (file,) = Path(scratch).glob("*_hrT2.nii.gz")
        image = nib.load(file)
        volume = np.asarray(image.dataobj, dtype=np.float32)
    tags = synthetic_tags(series.header, bundle.title)
    write_mr_series(output, volume, image.affine, tags, source_tags(series.headers))
