"""``python -m tanq_monai.deploy.runtime``."""

import argparse
import sys
from collections.abc import Sequence

from tanq_monai.choices.config import checked
from tanq_monai.deploy.runtime import run
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.structures import Structures

MAY_BE_NULL = ("label", "style", "structures", "threads")


def main(argv: Sequence[str] | None = None) -> None:
    """Read the options, run; it ends as :func:`tanq_monai.errors.print_mistakes_in_one_line` says.

    Args:
        argv: the options. Default: those that this process was started with.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tanq_monai.deploy.runtime",
        description="Segment or translate one scan with an ONNX file. Research use only; not a medical device.",
    )
    parser.add_argument("--model", required=True, help="model.onnx of a bundle")
    parser.add_argument("--image", required=True, help="NIfTI file, or folder of one DICOM series")
    parser.add_argument("--output", required=True, help="NIfTI file to write")
    parser.add_argument("--label", help="to translate: structures of the scan, NIfTI file on its grid")
    parser.add_argument("--style", help="to translate: look of hrT2, where the model knows several")
    parser.add_argument("--structures", help="names and values of the label, as JSON")
    parser.add_argument(
        "--ears-first", default="true", help="to segment: keep two cochleae and a VS near them, or false"
    )
    parser.add_argument("--engine", default="auto", help="onnxruntime, openvino, or auto (default), the faster one")
    parser.add_argument("--threads", help="that compute; default: one for every core")
    parser.add_argument("--amp", default="auto", help="bfloat16: true, false, or auto (default), where it is worth it")
    parser.add_argument("--provider", default="auto", help="of ONNX Runtime: cpu, cuda, tensorrt, or auto (default)")
    print_mistakes_in_one_line()
    options = vars(parser.parse_args(argv))
    meant = {name: checked(name, word, word, MAY_BE_NULL, f"--{name}") for name, word in options.items() if word}
    structures = Structures(meant["structures"]) if "structures" in meant else None
    run(**options | meant | {"structures": structures})
    sys.stdout.write(f"{options['output']}\n")


if __name__ == "__main__":
    main()
