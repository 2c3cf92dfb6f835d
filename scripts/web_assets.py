"""What the page in ``web/`` is built of: ``model.onnx``, and ``facts.json`` with all that must not be typed twice."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from tanq_monai.anatomy.plausibility import Plausible
from tanq_monai.anatomy.published import published
from tanq_monai.deploy.engines import read_properties
from tanq_monai.deploy.export import export_onnx
from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import write_json
from tanq_monai.scans.contrast import OWN_RULES, Conditions, read_rules
from tanq_monai.scans.naming import CONTRASTS, KNOWN

_SPLINES = {"image": (3, 0), "logits": (1, 0)}  # orders that web/src/segmentation/plan/splines.ts is tried with
# What web/src/scans/dicom*.ts read besides what the rules of contrasts name.
_OF_SLICES = (
    *("SOPClassUID", "MediaStorageSOPClassUID", "SeriesInstanceUID", "PatientID", "InstanceNumber"),
    *("Rows", "Columns", "NumberOfFrames", "PhotometricInterpretation", "PixelSpacing"),
    *("ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept"),
    *("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", "PlanePositionSequence"),
    *("PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence"),
    *("MRTimingAndRelatedParametersSequence", "MREchoSequence", "MRModifierSequence", "MRImageFrameTypeSequence"),
    *("EffectiveEchoTime", "InversionTimes", "FrameType"),
)


def write_assets(bundle: Path, output_dir: Path) -> None:
    """Export the segmenter, and write what the page must know; `make web` knows whether it has to be done again.

    Args:
        bundle: of a segmenter of slices.
        output_dir: gets ``model.onnx`` and ``facts.json``.

    Raises:
        InputError: when the bundle's segmenter is none that the page can run.
    """
    model = output_dir / "model.onnx"
    export_onnx(bundle, model)
    properties = read_properties(model)
    _check_runs_in_a_page(properties, model)
    rule = read_rules(OWN_RULES, properties["modality"])
    looks = {name: _as_written(conditions) for name, conditions in rule["looks"].items()}
    keywords = {*_OF_SLICES, *(keyword for conditions in (rule["always"], *looks.values()) for keyword in conditions)}
    facts = {
        "segmenter": properties,
        "published": asdict(published()),
        "plausible": asdict(Plausible()),
        "contrast": {"always": _as_written(rule["always"]), "looks": looks},
        "attributes": {
            word: {"tag": f"x{tag_for_keyword(word):08x}", "vr": dictionary_VR(word)} for word in sorted(keywords)
        },
        "suffixes": {"known": KNOWN, "own": CONTRASTS[properties["modality"]]},
    }
    write_json(facts, output_dir / "facts.json")


def _as_written(conditions: Conditions) -> dict[str, dict[str, list[str]]]:
    """Conditions whose every word and number is a text, as messages tell it; JavaScript would make 2 of 2.0."""
    return {
        keyword: {
            how: [*map(str, wanted)] if isinstance(wanted, list) else [str(wanted)] for how, wanted in one.items()
        }
        for keyword, one in conditions.items()
    }


def _check_runs_in_a_page(properties: Mapping[str, Any], model: Path) -> None:
    remedy = "give a bundle whose segmenter was trained on slices, as the shipped one"
    if properties["task"] != "segmentation" or len(properties["patch_size"]) != 2:
        raise InputError(model, "is no segmenter of slices", remedy)
    if properties["normalization"]["nonzero_only"]:
        raise InputError(model, "is for scans that are z-scored within the head alone", remedy)
    for name, orders in _SPLINES.items():
        how = properties["interpolation"][name]
        if (how["order"], how["order_z"]) != orders:
            raise InputError(model, f"interpolates {name} by splines of other orders than {orders}", remedy)


if __name__ == "__main__":
    print_mistakes_in_one_line()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("bundles/vs_cochlea_seg"))
    parser.add_argument("--output-dir", type=Path, default=Path("web/assets"))
    options = parser.parse_args()
    write_assets(options.bundle, options.output_dir)
