"""Which slices make up which training step."""

from collections.abc import Iterator, Sized

from torch import distributed as dist
from torch.utils.data import Sampler

from tanq_monai.errors import InputError


class Batches(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, index within the epoch), without end, from any step on.

    A resumed run sets ``first_step`` and sees what the first run would have seen next. Several ranks share every batch.
    A last batch that would not be full is left out; another epoch has others in it.

    Args:
        dataset: gives the length of an epoch.
        batch_size: of all ranks together.

    Raises:
        InputError: when an epoch has no full batch, or the ranks cannot share one evenly.
    """

    def __init__(self, dataset: Sized, batch_size: int) -> None:
        self.batch_size, self.first_step = batch_size, 0
        self._steps = len(dataset) // batch_size
        self._rank, self._ranks = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        if not self._steps:
            problem = f"is more than the {len(dataset)} slices of an epoch"
            raise InputError(f"batch_size {batch_size}", problem, "choose a smaller one or add scans")
        if batch_size % self._ranks:
            problem = f"cannot be shared by {self._ranks} processes"
            raise InputError(f"batch_size {batch_size}", problem, f"choose a multiple of {self._ranks}")

    def __len__(self) -> int:
        """Steps of an epoch."""
        return self._steps

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self.first_step
        while True:
            epoch, place = divmod(step, self._steps)
            first = place * self.batch_size
            yield [(epoch + 1, first + number) for number in range(self._rank, self.batch_size, self._ranks)]
            step += 1
