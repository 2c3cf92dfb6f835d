"""From dated scans or labels of one patient to the course of the VS: volumes, and changes beside the noise."""

from tanq_monai.growth.growth import Growth, measure_growth

__all__ = ["Growth", "measure_growth"]
