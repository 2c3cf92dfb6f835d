"""Measured beside published: what a set of patients, virtual or real, looks like in numbers."""

from tanq_monai.phantom.check.measure import Measurement, Scan, measure
from tanq_monai.phantom.check.report import Report, make_folder
from tanq_monai.phantom.check.run import check_folder, check_phantom

__all__ = [
    "Measurement",
    "Report",
    "Scan",
    "check_folder",
    "check_phantom",
    "make_folder",
    "measure",
]
