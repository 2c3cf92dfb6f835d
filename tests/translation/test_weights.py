import pytest
import torch

from tanq_monai.errors import InputError
from tanq_monai.networks import PatchDiscriminator, TanqGenerator
from tanq_monai.weights import load_weights, read_state_dict, started_from


def test_weights_are_loaded(tmp_path):
    trained, other = (torch.nn.Linear(3, 2) for _ in range(2))
    torch.save(trained.state_dict(), tmp_path / "model.pt")
    loaded = load_weights(other, tmp_path / "model.pt").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in trained.state_dict().items())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": torch.zeros(2), "c": torch.zeros(3)}, "does not fit the network: 3 weights differ, the first is a;"),
        ({"state": {"a": torch.zeros(3)}}, "it holds other things than tensors by name"),
        ({1: torch.zeros(3), "a": torch.zeros(3)}, "it holds other things than tensors by name"),
        ([1, 2], "it holds other things"),
    ],
)
def test_weights_of_another_network_are_a_mistake_in_one_line(content, words, tmp_path):
    network = torch.nn.ParameterDict({"a": torch.zeros(3), "b": torch.zeros(3)})
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(InputError, match=rf"model\.pt: .*{words}") as error:
        load_weights(network, tmp_path / "model.pt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (torch.tensor([1.0, float("nan"), 0.0]), "holds a with NaN or infinity: its training failed"),
        (torch.tensor([1.0, float("-inf"), 0.0]), "holds a with NaN or infinity"),
        (torch.tensor([1, 2, 3]), r"a is of torch\.int64, not of floats"),
        (torch.tensor([True, False, True]), r"a is of torch\.bool, not of floats"),
        (torch.tensor([1j, 2, 3]), r"a is of torch\.complex64, and no plain tensor, not of floats"),
        (torch.tensor([1.0, 0.0, 0.0]).to_sparse(), r"a is of torch\.float32, and no plain tensor"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of torch, about sparse tensors
def test_weights_that_nothing_can_be_computed_with_are_refused(weight, words, tmp_path):
    network = torch.nn.ParameterDict({"a": torch.zeros(3)})
    torch.save({"a": weight}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=rf"model\.pt: .*{words}"):
        load_weights(network, tmp_path / "model.pt")
    assert not network["a"].any()


def test_weights_of_another_precision_are_loaded_as_floats(tmp_path):
    network = torch.nn.ParameterDict({"a": torch.zeros(3)})
    torch.save({"a": torch.ones(3, dtype=torch.float16)}, tmp_path / "model.pt")
    assert load_weights(network, tmp_path / "model.pt")["a"].dtype == torch.float32


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_a_mistake_in_one_line(content, tmp_path):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.pt: is no state dict of torch\.save") as error:
        load_weights(torch.nn.Linear(1, 1), tmp_path / "model.pt")
    assert "\n" not in str(error.value)


def test_a_missing_file_says_to_train_first(tmp_path):
    with pytest.raises(InputError, match=r"model\.pt: is missing; train first"):
        load_weights(torch.nn.Linear(1, 1), tmp_path / "model.pt")


def test_a_network_starts_from_the_file_of_its_name_in_a_folder_of_models_or_from_nothing(tmp_path):
    trained = torch.nn.Linear(3, 2)
    torch.save(trained.state_dict(), tmp_path / "model.pt")
    started = started_from(torch.nn.Linear(3, 2), tmp_path, "model.pt").state_dict()
    assert all(torch.equal(started[key], value) for key, value in trained.state_dict().items())
    other = torch.nn.Linear(3, 2)
    before = other.weight.clone()
    assert started_from(other, None, "model.pt") is other
    assert started_from(other, tmp_path, "discriminator.pt", required=False) is other
    assert torch.equal(other.weight, before)
    with pytest.raises(InputError, match=r"discriminator\.pt: is missing; train first"):
        started_from(other, tmp_path, "discriminator.pt")
    with pytest.raises(InputError, match=r"model\.pt: does not fit the network"):
        started_from(torch.nn.Linear(4, 2), tmp_path, "model.pt", required=False)


SLICES = torch.cat([torch.rand(2, 1, 32, 32), torch.randint(0, 3, (2, 1, 32, 32)).float()], dim=1)


@pytest.mark.parametrize("number", [1, 3])
def test_other_styles_start_from_the_mean_of_those_of_the_training_each_with_weights_of_its_own(tmp_path, number):
    generator, discriminator = TanqGenerator(width=4, blocks=2, num_styles=2), PatchDiscriminator(width=4, num_styles=2)
    for network in (generator, discriminator):
        for name in network.by_style:
            torch.nn.init.normal_(network.get_parameter(name))
        torch.save(network.state_dict(), tmp_path / f"{type(network).__name__}.pt")
    for fresh in (TanqGenerator(4, 2, num_styles=number), PatchDiscriminator(4, num_styles=number)):
        started = started_from(fresh, tmp_path, f"{type(fresh).__name__}.pt")
        trained = generator if isinstance(fresh, TanqGenerator) else discriminator
        for name, weight in started.state_dict().items():
            of_trained = trained.state_dict()[name]
            if name in trained.by_style:
                assert weight.shape[0] == number and weight.untyped_storage().nbytes() == 4 * weight.numel()
                torch.testing.assert_close(weight, of_trained.mean(0, keepdim=True).expand_as(weight))
            else:
                assert torch.equal(weight, of_trained)


def test_the_scores_of_a_discriminator_of_one_style_are_those_of_any_of_many_that_start_from_it(tmp_path):
    one = PatchDiscriminator(width=4)
    torch.save(one.state_dict(), tmp_path / "discriminator.pt")
    many = started_from(PatchDiscriminator(width=4, num_styles=3), tmp_path, "discriminator.pt")
    with torch.no_grad():
        for style in range(3):
            torch.testing.assert_close(many(SLICES[:, :1], torch.tensor([style, style])), one(SLICES[:, :1]))


def test_networks_that_differ_in_more_than_styles_do_not_start_from_each_other(tmp_path):
    torch.save(PatchDiscriminator(width=8, num_styles=2).state_dict(), tmp_path / "discriminator.pt")
    with pytest.raises(InputError, match=r"discriminator\.pt: does not fit the network"):
        started_from(PatchDiscriminator(width=4), tmp_path, "discriminator.pt")


def test_a_weight_that_changed_on_the_disk_is_told(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"weight": torch.arange(1000.0)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(500.0, 510.0).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.pt: is no state dict of torch\.save"):
        read_state_dict(path)
