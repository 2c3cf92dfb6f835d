#!/usr/bin/env bash
# nnU-Net's patches that must hold a structure stay inside the scan at its near edge, and reach half beyond it at the far one.
#
# nnunetv2 2.8.1 puts a voxel of the structure into the middle of such a patch and moves the patch back into the scan at
# the lower end of every axis alone. A structure at the first voxel is seen in a patch full of scan, one at the last voxel
# in a patch that is half zeros: a scan and its mirror image are not trained on alike. Patches without that demand are
# drawn within both bounds. Seen here: a scan of 400 x 400 pixels, patches of 160 x 160, a structure at the first and at
# the last pixel: patches from 0 to 160 and from 319 to 479.
# Fails when the far patch lies within the scan, or the near one does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "nnunetv2==2.8.1" "torch==2.13.0" "setuptools<81"
"$folder/venv/bin/python" - <<'PYTHON' 2>/dev/null
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader

labels = SimpleNamespace(all_labels=[1], has_ignore_label=False)
loader = nnUNetDataLoader(SimpleNamespace(identifiers=["case"]), 1, (160, 160), (160, 160), labels, 1.0)
scan = np.array((1, 400, 400))


def rows(pixel):
    """First row and the one after the last of the patch that must hold this pixel."""
    lower, upper = loader.get_bbox(scan, True, {1: np.array([[0, 0, pixel, pixel]])})
    return int(lower[1]), int(upper[1])


near, far = rows(0), rows(399)
print(f"nnunetv2 {version('nnunetv2')}: the structure at the first pixel: rows {near}; at the last one: rows {far}")
assert near == (0, 160), "the near patch is another one now"
assert far == (319, 479), "the far patch is another one now"
print("as described: the far patch is half outside of the scan")
PYTHON
