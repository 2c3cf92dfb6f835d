"""Benchmarks; of two things that are compared, both are measured alternately in one run.

python scripts/bench.py translation      generator, training steps and attention against their bars
python scripts/bench.py training         training steps against those of another commit (--against CHECKOUT)
python scripts/bench.py segmentation     a full-size scan against nnU-Net's own predictor; Dice and ASSD against MedPy
python scripts/bench.py engines          torch, ONNX Runtime and OpenVINO on every kind of network
python scripts/bench.py segmenter_step   an iteration of the segmenter's training, against another checkout's
python scripts/bench.py first_batch      from folders of 420 scans to the first batch of a training
python scripts/bench.py phantom          virtual patients: seconds, memory, and what a second core gains
python scripts/bench.py deploy           ONNX Runtime against torch, the runtime against the bundle, fetch to labels
python scripts/bench.py installation     without torch: from nothing to the label of a DICOM series; size, start
python scripts/bench.py cohort           two workers against one; memory of a worker after 10 and after 1,000 scans
python scripts/bench.py scaling          every stage with 10, 100 and 1,000 scans
python scripts/bench.py page             the page for browsers: a scan of 256 x 256 x 60 voxels on one core
"""

import fire
from benchmarks.cohort import cohort
from benchmarks.deploy import deploy
from benchmarks.engines import engines
from benchmarks.first_batch import first_batch
from benchmarks.installation import installation
from benchmarks.page import page
from benchmarks.phantom import phantom
from benchmarks.scaling import scaling
from benchmarks.segmentation import segmentation
from benchmarks.segmenter_step import segmenter_step
from benchmarks.training import training
from benchmarks.translation import translation

from tanq_monai.errors import print_mistakes_in_one_line

if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(
        {
            "translation": translation,
            "training": training,
            "segmentation": segmentation,
            "engines": engines,
            "segmenter_step": segmenter_step,
            "first_batch": first_batch,
            "phantom": phantom,
            "deploy": deploy,
            "installation": installation,
            "cohort": cohort,
            "scaling": scaling,
            "page": page,
        }
    )
