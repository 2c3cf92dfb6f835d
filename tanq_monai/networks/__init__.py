"""Networks of the translators."""

from tanq_monai.networks.attention import FeatureSampler
from tanq_monai.networks.cyclegan import CycleGanGenerator
from tanq_monai.networks.discriminator import PatchDiscriminator
from tanq_monai.networks.exemplar import ExemplarGenerator, StyleEncoder
from tanq_monai.networks.generator import TanqGenerator, Translation
from tanq_monai.networks.norms import RegionAdaptiveNorm, RegionNorm
from tanq_monai.networks.projector import FeatureProjector
from tanq_monai.networks.seg_decoder import SegDecoder

__all__ = [
    "CycleGanGenerator",
    "ExemplarGenerator",
    "FeatureProjector",
    "FeatureSampler",
    "PatchDiscriminator",
    "RegionAdaptiveNorm",
    "RegionNorm",
    "SegDecoder",
    "StyleEncoder",
    "TanqGenerator",
    "Translation",
]
