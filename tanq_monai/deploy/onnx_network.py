"""An ONNX file in the place of a torch network."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tanq_monai.deploy.runtime.session import open_session


class OnnxNetwork(nn.Module):
    """Runs an ONNX file of :func:`tanq_monai.deploy.export.export_onnx` on ONNX Runtime; tensors in and out.

    Args:
        model_file: the file.
        provider: see :func:`tanq_monai.deploy.runtime.session.open_session`.

    Raises:
        InputError: when there is no such file, or no such provider.
    """

    def __init__(self, model_file: str | Path, provider: str = "auto") -> None:
        super().__init__()
        self.session = open_session(model_file, provider)

    def forward(self, image: Tensor, style: Tensor | None = None) -> Tensor:
        """What the network of the file makes of ``image`` (B, C, ...), float32, on the image's device.

        Args:
            image: as the torch network takes it.
            style: of a translator: the number of every slice's style, int64 (B,), or (1,) for all; None is style 0.
        """
        inputs = {"image": image.detach().float().cpu().contiguous().numpy()}
        if len(self.session.get_inputs()) > 1:
            number = torch.zeros(1, dtype=torch.long) if style is None else style.cpu()
            inputs["style"] = number.expand(len(image)).numpy().astype(np.int64)
        return torch.from_numpy(self.session.run(None, inputs)[0]).to(image.device)
