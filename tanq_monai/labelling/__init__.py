"""From scans to labels, a table of volumes and a page, by a bundle's own inference."""

from tanq_monai.labelling.derivative import segment_dataset
from tanq_monai.labelling.segment import Segmentation, segment_scans

__all__ = ["Segmentation", "segment_dataset", "segment_scans"]
