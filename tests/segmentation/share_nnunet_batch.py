"""Two steps of nnU-Net, by one process or as one of several ranks."""

from pathlib import Path

import torch
from torch import distributed as dist

from tanq_monai.scans.folder import find_labelled
from tanq_monai.segmentation.training.engine import NnUNetEngine
from tanq_monai.segmentation.training.nnunet import Settings, set_up_nnunet

BATCH, PATCH = 4, 32
SETTINGS = Settings(
    configuration="2d",
    max_epochs=1,
    batch_size=BATCH,
    plans_override={"patch_size": [PATCH, PATCH], "features_per_stage": [4, 8, 8]},
    num_processes=0,
)


class FixedBatches:
    """The same slices for one process and, in parts, for several; the structures differ from slice to slice."""

    def __init__(self, trainer, rank: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.images = torch.randn(2, BATCH, 1, PATCH, PATCH)
            labels = torch.randint(0, 3, (2, BATCH, 1, PATCH, PATCH)).float()
        labels[:, 0] = 0
        self.labels, share = labels, trainer.batch_size
        self.part = slice(rank * share, (rank + 1) * share)

    def __len__(self):
        return 2

    def __iter__(self):
        for image, label in zip(self.images[:, self.part], self.labels[:, self.part], strict=True):
            yield {"data": image, "target": [label, label[..., ::2, ::2]]}


def two_steps(data: Path, run: Path, rank: int = 0) -> None:
    """Leaves ``RUN/models/model.pt``."""
    torch.manual_seed(0)
    trainer = set_up_nnunet(find_labelled(data).cases, run, SETTINGS, "cpu")
    NnUNetEngine(trainer, FixedBatches(trainer, rank), max_epochs=1, model_dir=run / "models").run()


def two_steps_as_rank(rank: int, ranks: int, meeting_place: Path, data: Path, run: Path) -> None:
    """The same as one of ``ranks``."""
    dist.init_process_group("gloo", f"file://{meeting_place}", rank=rank, world_size=ranks)
    two_steps(data, run, rank)
    dist.destroy_process_group()
