import copy

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.engines import IterationEvents, SupervisedTrainer
from tiny import networks, slices

from tanq_monai.errors import InputError
from tanq_monai.networks import TanqGenerator
from tanq_monai.trainers.pretraining import PairTrainer, PairWeights, pair_terms
from tanq_monai.weights import started_from

SOURCE = slices(2, 1, labelled=True)
TRUTH = slices(2, 2, labelled=False)[:, :1]
STYLE = torch.zeros(2, dtype=torch.long)
WEIGHTS = PairWeights(difference=0.5, gradient=2.0, structures=3.0, segmentation=4.0, classes=(1.0, 2.0, 3.0))


def _trainer(network, optimizer, steps=1, **choices):
    batches = [{"image": SOURCE, "target_domain": TRUTH, "style": STYLE}] * steps
    shared = {"device": "cpu", "max_epochs": 1, "train_data_loader": batches}
    return PairTrainer(network=network, optimizer=optimizer, **shared, **choices)


def _written_out(image, truth, labels, logits, weights):
    """The terms by loops over pixels, in float64."""
    image, truth, labels = (array[:, 0].double().numpy() for array in (image, truth, labels))
    count, height, width = image.shape
    difference = np.abs(image - truth)
    down = np.mean(
        [
            abs((image[b, i + 1, j] - image[b, i, j]) - (truth[b, i + 1, j] - truth[b, i, j]))
            for b in range(count)
            for i in range(height - 1)
            for j in range(width)
        ]
    )
    right = np.mean(
        [
            abs((image[b, i, j + 1] - image[b, i, j]) - (truth[b, i, j + 1] - truth[b, i, j]))
            for b in range(count)
            for i in range(height)
            for j in range(width - 1)
        ]
    )
    log = torch.log_softmax(logits.double(), dim=1).numpy()
    total, norm = 0.0, 0.0
    for b in range(count):
        for i in range(height):
            for j in range(width):
                label = int(labels[b, i, j])
                total -= weights.classes[label] * log[b, label, i, j]
                norm += weights.classes[label]
    return {
        "difference": weights.difference * difference.mean(),
        "gradient": weights.gradient * (down + right) / 2,
        "structures": weights.structures * (difference[labels == 1].mean() + difference[labels == 2].mean()) / 2,
        "segmentation": weights.segmentation * total / norm,
    }


def test_the_terms_equal_their_definitions():
    random = torch.Generator().manual_seed(3)
    image, logits = torch.rand(2, 1, 32, 32, generator=random) * 2 - 1, torch.randn(2, 3, 32, 32, generator=random)
    terms = pair_terms(image, TRUTH, SOURCE[:, 1:], logits, WEIGHTS)
    expected = _written_out(image, TRUTH, SOURCE[:, 1:], logits, WEIGHTS)
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value, rel=1e-5), name


def test_each_structure_counts_alike_however_few_pixels_it_has():
    labels, image = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    labels[..., :8, :] = 1
    labels[..., 15, 15] = 2
    image[..., 15, 15] = 1
    terms = pair_terms(image, torch.zeros_like(image), labels, None, PairWeights())
    assert terms["structures"].item() == pytest.approx(0.5)


def test_slices_without_structures_have_finite_losses_and_gradients():
    image = torch.zeros(1, 1, 8, 8, requires_grad=True)
    empty = torch.zeros(1, 1, 8, 8)
    terms = pair_terms(image, empty + 0.5, empty, torch.zeros(1, 3, 8, 8), PairWeights())
    assert terms["structures"] == 0
    sum(terms.values()).backward()
    assert torch.isfinite(image.grad).all()


def test_a_generator_without_seg_decoder_has_no_segmentation_loss():
    assert "segmentation" not in pair_terms(TRUTH, TRUTH, SOURCE[:, 1:], None, PairWeights())


def test_a_true_translation_costs_nothing_but_the_segmentation():
    terms = pair_terms(TRUTH, TRUTH, SOURCE[:, 1:], torch.zeros(2, 3, 32, 32), PairWeights())
    assert [terms[name].item() for name in ("difference", "gradient", "structures")] == [0, 0, 0]
    assert terms["segmentation"].item() == pytest.approx(np.log(3), rel=1e-6)


def test_a_step_is_gradient_descent_on_the_sum_of_the_terms():
    network = networks().generator
    reference = copy.deepcopy(network)
    trainer = _trainer(network, torch.optim.SGD(network.parameters(), lr=0.01), steps=2, weights=WEIGHTS)
    trainer.run()
    for _ in range(2):
        image, _, logits = reference(SOURCE, STYLE)
        terms = pair_terms(image, TRUTH, SOURCE[:, 1:], logits, WEIGHTS)
        gradients = torch.autograd.grad(sum(terms.values()), list(reference.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(reference.parameters(), gradients, strict=True):
                parameter.sub_(0.01 * gradient)
    for (name, one), other in zip(network.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4, msg=name)
    assert trainer.state.output["loss"].item() == pytest.approx(sum(terms.values()).item(), rel=1e-4)
    assert {f"loss_{name}" for name in terms} < trainer.state.output.keys()


def test_it_is_monais_trainer_with_its_events_and_a_detached_translation():
    network = networks().generator
    trainer, fired = _trainer(network, torch.optim.Adam(network.parameters())), []
    wanted = ("FORWARD_COMPLETED", "LOSS_COMPLETED", "BACKWARD_COMPLETED", "MODEL_COMPLETED")
    for name in wanted:
        trainer.add_event_handler(getattr(IterationEvents, name), lambda _, name=name: fired.append(name))
    trainer.run()
    assert isinstance(trainer, SupervisedTrainer)
    assert tuple(fired) == wanted
    assert trainer.network is network
    assert trainer.state.output["pred"].shape == TRUTH.shape
    assert not trainer.state.output["pred"].requires_grad


def test_it_learns_the_truth_of_a_batch():
    network = networks().generator
    trainer = _trainer(network, torch.optim.Adam(network.parameters(), lr=0.01), steps=20)
    losses = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: losses.append(e.state.output["loss"].item()))
    trainer.run()
    assert losses[-1] < 0.75 * losses[0]


def _saved(network, path):
    torch.save(network.state_dict(), path)
    return path


def test_a_pretraining_of_one_style_serves_all_of_several(tmp_path):
    pretrained = networks().generator.eval()
    _saved(pretrained, tmp_path / "model.pt")
    warm = started_from(TanqGenerator(width=4, blocks=2, num_styles=3), tmp_path, "model.pt").eval()
    with torch.no_grad():
        for style in range(3):
            torch.testing.assert_close(warm(SOURCE, torch.tensor([style])), pretrained(SOURCE))


@pytest.mark.parametrize("other", [{"width": 8}, {"blocks": 3}], ids=str)
def test_a_pretraining_of_another_network_is_refused_in_one_line(tmp_path, other):
    _saved(TanqGenerator(**({"width": 4, "blocks": 2} | other)), tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"model\.pt: does not fit the network") as error:
        started_from(TanqGenerator(width=4, blocks=2, num_styles=3), tmp_path, "model.pt")
    assert "\n" not in str(error.value)
