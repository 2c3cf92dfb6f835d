"""Bundles of a model zoo."""

from tanq_monai.cli.output import print_lines
from tanq_monai.errors import InputErrors


def fetch(
    name: str,
    zoo: str,
    version: str | None = None,
    output_dir: str = "bundles",
    trust: str | None = None,
) -> None:
    """Fetch a bundle from a model zoo, check it, and install it beside its other versions. Research use only.

    Args:
        name: tanq_translation or vs_cochlea_seg.
        zoo: folder or http address of the zoo, where model_info.json lies.
        version: such as 0.1.0. Default: the newest.
        output_dir: gets the folder NAME_vVERSION, from which the bundle runs.
        trust: SHA-256 of a zip that you have read, as `audit` prints it: that zip is taken, and no other, even with
            configs, code and TorchScript of its own.

    Examples:
        tanq-monai fetch vs_cochlea_seg --zoo https://example.org/zoo
    """
    from tanq_monai.deploy.zoo.fetch import fetch_bundle

    print_lines([str(fetch_bundle(name, zoo, output_dir, version, trust))])


def audit(bundle: str) -> None:
    """Print everything that a bundle would run; exit code 1 if any of it is not from the installed tanq_monai.

    Args:
        bundle: its folder, or its zip file.

    Examples:
        tanq-monai audit bundles/vs_cochlea_seg_v0.1.0
    """
    from tanq_monai.deploy.zoo.audit import audit_bundle

    lines, problems = audit_bundle(bundle)
    print_lines(lines)
    if problems:
        raise InputErrors(problems)
