"""Segmentation and translation from an ONNX file: onnxruntime or openvino, NumPy, nibabel; no torch, no MONAI.

``python -m tanq_monai.deploy.runtime --model model.onnx --image SCAN --output OUT.nii.gz``. A DICOM series wants
pydicom, too. Research use only: not a medical device.
"""

from tanq_monai.deploy.runtime.run import run

__all__ = ["run"]
