"""What the server does: rounds of asking all sites and averaging their weights, kept after each of them."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from tanq_monai.errors import InputError
from tanq_monai.federated.exchange import Request, Training, Update, digest_of, mean_weights, weights_of
from tanq_monai.files import check_output_dir, write_json
from tanq_monai.segmentation.plan.plans import check_model_folder, network_from_plans, read_json
from tanq_monai.weights import UNREADABLE, fill, load_weights, read_saved, saving

Ask = Callable[[Request], Mapping[str, Update]]
"""Sends a request to every site, and returns what each has answered, by its name."""

LATEST, MODELS = "latest.pt", "models"
_logger = logging.getLogger(__name__)


def run_rounds(model_dir: str | Path, output_dir: str | Path, training: Training, ask: Ask) -> Path:
    """Train a model at all sites; the folder of the model that came of it, for ``inference.yaml``.

    Started again, it goes on after its latest round.

    Args:
        model_dir: of the model to begin with: its plan, its labels and its weights.
        output_dir: gets ``latest.pt`` after every round, and ``models`` in the end.
        training: what all sites have in common.
        ask: the sites.

    Raises:
        InputError: when there is no such model, ``output_dir`` was begun with another model or training, or an answer
            cannot be used.
    """
    check_model_folder(model_dir)
    plan, labels = (Path(model_dir) / name for name in ("plans.json", "dataset.json"))
    network = load_weights(network_from_plans(plan, labels), Path(model_dir) / "model.pt")
    folder = check_output_dir(output_dir, model_dir)
    texts = [json.dumps(content, sort_keys=True) for content in (asdict(training), read_json(plan), read_json(labels))]
    begun_with = hashlib.sha256("".join([digest_of(weights_of(network)), *texts]).encode()).hexdigest()
    for number in range(_done(folder / LATEST, network, begun_with), training.num_rounds):
        updates = ask(Request(number, weights_of(network), training, read_json(plan), read_json(labels)))
        mean_weights(updates, network)
        with saving(folder / LATEST) as stream:
            torch.save({"done": number + 1, "begun_with": begun_with, "weights": network.state_dict()}, stream)
        shares = ", ".join(f"{site} {update.num_cases}" for site, update in sorted(updates.items()))
        _logger.info("round %d of %d: scans %s", number + 1, training.num_rounds, shares)
    return write_model(folder / MODELS, network, read_json(plan), read_json(labels))


def write_model(folder: Path, network: nn.Module, plan: Mapping[str, object], labels: Mapping[str, object]) -> Path:
    """A model folder; its weights last, whose presence means that all are there."""
    folder.mkdir(parents=True, exist_ok=True)
    with saving(folder / "model.pt") as stream:
        torch.save(network.state_dict(), stream)
        write_json(plan, folder / "plans.json")
        write_json(labels, folder / "dataset.json")
    return folder


def _done(latest: Path, network: nn.Module, begun_with: str) -> int:
    """How many rounds were done; the network gets the weights of the last of them."""
    if not latest.exists():
        return 0
    try:
        state = read_saved(latest)
        done, weights, begun_before = (state[key] for key in ("done", "weights", "begun_with"))
    except UNREADABLE as error:
        raise InputError(latest, "cannot be read", "remove it, and the rounds begin anew in new folders") from error
    if begun_before != begun_with:
        problem = "was begun with another model, or with other choices"
        raise InputError(latest.parent, problem, "give those, or another output_dir, here and at every site")
    fill(network, weights, latest)
    return int(done)
