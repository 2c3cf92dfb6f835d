"""Multi-view generation: labelled ceT1 scans in, nnU-Net's raw data set of pseudo-hrT2 in several views out."""

from tanq_monai.views.label_free import label_free_cost
from tanq_monai.views.multi_view import MultiView
from tanq_monai.views.output import RawDatasetWriter, VolumeFiles
from tanq_monai.views.translation import View, VolumeTranslator

__all__ = ["MultiView", "RawDatasetWriter", "View", "VolumeFiles", "VolumeTranslator", "label_free_cost"]
