#!/usr/bin/env bash
# nnU-Net's blur computes by whichever way a stopwatch found faster: seeds alone do not make a training repeatable.
#
# nnunetv2 2.8.1 builds its augmentation with GaussianBlurTransform(benchmark=True) of batchgeneratorsv2 0.3.6. For every
# image size and kernel size that it meets first, the transform times nine direct and nine FFT convolutions and keeps to
# the faster way from then on. The two ways round differently, so that which bits an augmented image has depends on how
# busy the machine was at that moment, with every random generator seeded. Seen here: the same image, sigma and seeds,
# two clocks: images that differ, by less than 1e-5 of values of about 1.
# Fails when the two clocks give equal images, or the difference is no longer that of rounding.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "batchgeneratorsv2==0.3.6" "setuptools<81"
"$folder/venv/bin/python" - <<'PYTHON'
import itertools
from importlib.metadata import version

import torch
from batchgeneratorsv2.transforms.noise import gaussian_blur


def blurred(seconds):
    """The transform's result when its clock says that each of the timed convolutions took these seconds, in turn."""
    ticks = itertools.accumulate(part for taken in seconds for part in (1.0, taken))
    gaussian_blur.time = lambda: next(ticks)
    blur = gaussian_blur.GaussianBlurTransform(blur_sigma=(0.9, 0.9), p_per_channel=1, benchmark=True)
    torch.manual_seed(0)
    image = torch.randn(1, 64, 64)
    torch.manual_seed(0)
    return blur(image=image)["image"]


direct_is_faster = blurred(9 * [0.1] + 9 * [0.2])
fft_is_faster = blurred(9 * [0.2] + 9 * [0.1])
difference = float((direct_is_faster - fft_is_faster).abs().max())
print(f"batchgeneratorsv2 {version('batchgeneratorsv2')}, torch {torch.__version__}: largest difference {difference:.1e}")
assert 0 < difference < 1e-5, "the way of computing no longer shows in the result"
print("as described: the clock decides which bits come out")
PYTHON
