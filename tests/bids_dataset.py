"""A BIDS data set of virtual patients."""

import json
import shutil
from pathlib import Path

CISS = {
    "Modality": "MR",
    "MRAcquisitionType": "3D",
    "ScanningSequence": "GR",
    "SequenceVariant": "SS",
    "RepetitionTime": 0.00995,
    "EchoTime": 0.00443,
    "FlipAngle": 70,
}


def write_bids(root: Path, scans: list[Path]) -> Path:
    """One subject, whose hrT2 scans of every second year these are, with a T2w of other kind beside the first."""
    subject, rows = root / "sub-01", ["session_id\tacq_time"]
    for number, scan in enumerate(scans, 1):
        anat = subject / f"ses-{number}" / "anat"
        anat.mkdir(parents=True)
        shutil.copy(scan, anat / f"sub-01_ses-{number}_acq-CISS_T2w.nii.gz")
        rows.append(f"ses-{number}\t{2018 + 2 * number}-01-01T00:00:00")
    shutil.copy(scans[0], subject / "ses-1" / "anat" / "sub-01_ses-1_acq-TSE_T2w.nii.gz")
    description = {"Name": "virtual patients", "BIDSVersion": "1.10.0", "DatasetType": "raw", "License": "CC0"}
    texts = {
        "dataset_description.json": json.dumps(description),
        "README": "Virtual patients, made by tanq-monai phantom: " * 5,
        "acq-CISS_T2w.json": json.dumps(CISS),
        "acq-TSE_T2w.json": json.dumps({"MRAcquisitionType": "2D", "EchoTime": 0.09}),
        "sub-01/sub-01_sessions.tsv": "\n".join([*rows, ""]),
    }
    for name, text in texts.items():
        (root / name).write_text(text)
    return root
