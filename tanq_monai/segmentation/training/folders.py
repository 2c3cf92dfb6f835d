"""Where nnU-Net keeps things in one training run."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

DATASET = "Dataset001_VSCochlea"
PLANS = "nnUNetPlans"


class RunFolders:
    """The folders below ``root``; nnU-Net finds them through environment variables, set by :meth:`.active`.

    Args:
        root: the output folder of the run.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).resolve()

    @property
    def raw(self) -> Path:
        """The data set as nnU-Net wants it."""
        return self.root / "nnUNet_raw" / DATASET

    @property
    def preprocessed(self) -> Path:
        """Fingerprint, plans and preprocessed cases."""
        return self.root / "nnUNet_preprocessed" / DATASET

    @property
    def plans_file(self) -> Path:
        """The plan of the run."""
        return self.preprocessed / f"{PLANS}.json"

    @property
    def log(self) -> Path:
        """What nnU-Net printed; there as soon as the run has begun."""
        return self.root / "nnunet.log"

    @property
    def results(self) -> Path:
        """The parent of nnU-Net's result folders."""
        return self.root / "nnUNet_results"

    @contextlib.contextmanager
    def active(self, **extra: str) -> Iterator[None]:
        """nnU-Net's environment points to this run, with ``extra`` variables, and is restored afterwards.

        What nnU-Net prints goes to :attr:`log`.
        """
        names = {"nnUNet_raw": self.raw, "nnUNet_preprocessed": self.preprocessed}
        values = {name: str(path.parent) for name, path in names.items()}
        values |= {"nnUNet_results": str(self.results), **extra}
        before = {name: os.environ.get(name) for name in values}
        self.root.mkdir(parents=True, exist_ok=True)
        os.environ.update(values)
        try:
            with (
                self.log.open("a", encoding="utf-8") as log,
                contextlib.redirect_stdout(log),
            ):
                yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
