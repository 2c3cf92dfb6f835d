"""Earlier translations, which CycleGAN's discriminators are shown among the new ones."""

import torch
from torch import Tensor
from torch import distributed as dist

from tanq_monai.errors import InputError


class ImagePool:
    """Keeps up to ``size`` translations; a discriminator that also sees old ones does not chase the newest generator.

    While the pool fills, every translation is shown as it is. Then one half of them is; the other half takes the place
    of a random one in the pool, which is shown instead. The draws follow from torch's generator on the CPU, the pool
    belongs into the checkpoint. Ranks keep the same pool, of the translations of all of them: as they share the seed
    of a step, two ranks do what one process would do with the whole batch.

    Args:
        size: 50 in CycleGAN; 0 shows the translations as they are.

    References:
        Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training", CVPR 2017;
        Zhu et al., ICCV 2017. The number of its style stays with each translation.
    """

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self._kept: list[tuple[Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self._kept)

    def exchange(self, images: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
        """Slices (B, 1, H, W) and the numbers of their styles (B,), without gradient -> what to show in their place.

        Raises:
            InputError: when the pool holds slices of another size, from a run with another crop.
        """
        pairs = zip(_of_all_ranks(images.detach()), _of_all_ranks(styles), strict=True)
        shown = [self._exchange(image, style) for image, style in pairs]
        rank, ranks = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        shown_images, shown_styles = zip(*shown[rank::ranks], strict=True)
        return torch.stack(shown_images), torch.stack(shown_styles)

    def state_dict(self) -> dict[str, Tensor]:
        """The slices (N, 1, H, W) that are kept, and their styles (N,), on the CPU."""
        if not self._kept:
            return {"images": torch.empty(0), "styles": torch.empty(0)}
        images, styles = zip(*self._kept, strict=True)
        # After a resume on a GPU those of the checkpoint are still on the CPU.
        return {"images": torch.stack([i.cpu() for i in images]), "styles": torch.stack([s.cpu() for s in styles])}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Keep what ``state`` holds.

        Raises:
            ValueError: when it is more than ``size``.
        """
        if len(state["images"]) > self.size:
            raise ValueError(f"a pool of {self.size} cannot keep {len(state['images'])} slices")
        self._kept = list(zip(state["images"], state["styles"], strict=True))

    def _exchange(self, image: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        if len(self._kept) < self.size:
            self._kept.append((image.clone(), style.clone()))  # a view would keep the whole batch in memory
            return image, style
        if self.size == 0 or torch.rand(()) < 0.5:
            return image, style
        number = int(torch.randint(self.size, ()))
        old_image, old_style = self._kept[number]
        if old_image.shape != image.shape:
            problem = f"holds slices of {tuple(old_image.shape[1:])} pixels, not {tuple(image.shape[1:])}"
            raise InputError("image pool", problem, "give the crop the run was begun with, or another output folder")
        self._kept[number] = (image.clone(), style.clone())
        return old_image.to(image.device), old_style.to(style.device)


def _of_all_ranks(part: Tensor) -> Tensor:
    """The whole batch, of which rank r of n has slices r, r + n, r + 2n, ..."""
    if not dist.is_initialized():
        return part
    parts = [torch.empty_like(part) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, part.contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)
