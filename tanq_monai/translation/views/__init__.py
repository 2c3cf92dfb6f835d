"""Multi-view generation: labelled ceT1 scans in, nnU-Net's raw data set of pseudo-hrT2 in several views out."""

from tanq_monai.translation.views.label_free import label_free_cost
from tanq_monai.translation.views.multi_view import MultiView
from tanq_monai.translation.views.output import RawDatasetWriter, VolumeFiles
from tanq_monai.translation.views.view import View, VolumeTranslator

__all__ = ["MultiView", "RawDatasetWriter", "View", "VolumeFiles", "VolumeTranslator", "label_free_cost"]
