"""The command line: ``python -m tanq_monai <command>``. Research use only; not a medical device."""

import sys

import fire

from tanq_monai.errors import InputError, mistake_behind


def phantom(
    output_dir: str,
    num_source: int = 8,
    num_target: int = 8,
    num_test: int = 4,
    size: str = "tiny",
    seed: int = 0,
) -> None:
    """Write a data set of virtual patients in the layout of crossMoDA 2022.

    Args:
        output_dir: gets training_source, training_target, validation and withheld_labels.
        num_source: ceT1 scans with labels.
        num_target: hrT2 scans without labels.
        num_test: hrT2 scans for testing.
        size: tiny, small or full.
        seed: the same seed gives the same bytes.
    """
    from tanq_monai.phantom import write_dataset

    write_dataset(
        str(output_dir),
        num_source=_whole(num_source, "--num-source"),
        num_target=_whole(num_target, "--num-target"),
        num_test=_whole(num_test, "--num-test"),
        size=str(size),
        seed=_whole(seed, "--seed"),
    )


def demo(output_dir: str | None = None, size: str = "tiny", seed: int = 0) -> None:
    """Watch unsupervised domain adaptation on virtual patients, from ceT1 with labels to segmented hrT2.

    Args:
        output_dir: gets everything, report.html last; a demo that was stopped goes on there. Default: demo, for other
            sizes than tiny demo_SIZE.
        size: tiny (minutes) or small (an hour or two on two cores).
        seed: of the virtual patients and of the translator.
    """
    from tanq_monai.demo.pipeline import closed_gap, run_demo

    folder = str(output_dir or ("demo" if size == "tiny" else f"demo_{size}"))
    table = run_demo(folder, str(size), _whole(seed, "--seed"))
    columns = [column for column in table.columns if not column.endswith(" sd")]
    sys.stdout.write(f"\n{table[columns].round(3).to_string()}\n{closed_gap(table)}\n")
    sys.stdout.write(f"Virtual patients, research only. Pictures: {folder}/report.html\n")


def _whole(value: object, option: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{option} {value}", "is not a whole number", "give one, e.g. 0")
    return value


def main() -> None:
    """Run a command; a user's mistake ends in one line and exit code 1."""
    try:
        fire.Fire({"phantom": phantom, "demo": demo}, name="tanq_monai")
    except ValueError as error:
        mistake = mistake_behind(error)
        if mistake is None:
            raise
        sys.exit("\n".join(f"error: {line}" for line in str(mistake).splitlines()))
