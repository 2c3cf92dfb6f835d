import pytest
import torch

from tanq_monai.errors import InputError
from tanq_monai.weights import load_weights, read_state_dict, resumed_from


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


def test_a_network_is_taken_from_a_checkpoint_by_its_name(tmp_path):
    trained, other = (torch.nn.Linear(3, 2) for _ in range(2))
    state = {"generator": trained.state_dict(), "history": {"loss": [1.0]}, "iteration": 7}
    torch.save(state, tmp_path / "checkpoint.pt")
    resumed = resumed_from(other, tmp_path / "checkpoint.pt", "generator").state_dict()
    assert all(torch.equal(resumed[key], value) for key, value in trained.state_dict().items())
    with pytest.raises(InputError, match=r"checkpoint\.pt: keeps no discriminator; give the file of a training"):
        resumed_from(other, tmp_path / "checkpoint.pt", "discriminator")
    with pytest.raises(InputError, match=r"checkpoint\.pt: does not fit the network"):
        resumed_from(torch.nn.Linear(4, 2), tmp_path / "checkpoint.pt", "generator")
    with pytest.raises(InputError, match=r"none\.pt: is missing"):
        resumed_from(other, tmp_path / "none.pt", "generator")


def test_a_weight_that_changed_on_the_disk_is_told(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"weight": torch.arange(1000.0)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(500.0, 510.0).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.pt: is no state dict of torch\.save"):
        read_state_dict(path)
