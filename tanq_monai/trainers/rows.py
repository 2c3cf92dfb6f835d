"""Tables that grow by a row an epoch."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tanq_monai.files import replacing


def add_row(path: Path, row: Mapping[str, float]) -> None:
    """Append ``row`` to a CSV file; rows of its ``epoch`` and later ones, from before a resume, are dropped."""
    rows = pd.DataFrame([row])
    if path.exists():
        before = pd.read_csv(path)
        rows = pd.concat([before[before["epoch"] < row["epoch"]], rows])
    with replacing(path) as temporary:
        rows.to_csv(temporary, index=False)
