import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from typed import ended

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmarks.measure import alternate, largest_deviation_from_a_line, report  # noqa: E402
from benchmarks.metrics import medpys, ours, predicted_labels, truth_labels  # noqa: E402
from benchmarks.steps import Step, measure_step  # noqa: E402
from benchmarks.translation import attention_against_naive, forward_ratio  # noqa: E402


@pytest.mark.parametrize(
    ("value", "at_least", "verdict"), [(1.0, False, "holds"), (1.2, False, "missed"), (1.2, True, "holds")]
)
def test_the_verdict_follows_from_the_number(capsys, value, at_least, verdict):
    report("ratio", value, bar=1.1, at_least=at_least)
    assert capsys.readouterr().out == f"ratio: {value:.3g}, bar 1.1: {verdict}\n"


def test_works_take_turns_and_the_first_two_rounds_do_not_count():
    order = []
    seconds = alternate([lambda: order.append("a"), lambda: order.append("b")], repeats=3)
    assert "".join(order) == "ab" * 5
    assert len(seconds) == 2


def test_deviation_from_a_line_is_that_of_the_worst_point():
    assert largest_deviation_from_a_line([1, 2, 4, 8], [3, 5, 9, 17]) == pytest.approx(0, abs=1e-12)
    # The line through (0, 1), (1, 1) and (2, 4) is 0.5 + 1.5 x.
    assert largest_deviation_from_a_line([0, 1, 2], [1, 1, 4]) == pytest.approx(1.0)


def test_generators_can_be_compared(capsys):
    assert forward_ratio(width=4, size=32, repeats=1, seed=0) > 0
    assert re.search(r"TANQ, one slice: .* s\ninstance-norm twin, one slice: .* s", capsys.readouterr().out)


@pytest.mark.parametrize("method", ["TANQ", "CycleGAN"])
def test_a_training_step_can_be_measured(method):
    seconds, gigabytes = measure_step(Step(method=method, batch=1, size=32, width=4, threads=1), repeats=1)
    assert seconds > 0
    assert 0.05 < gigabytes < 20


def test_selection_finds_the_entropies_of_the_naive_attention(monkeypatch):
    monkeypatch.setattr("benchmarks.translation.in_own_process", lambda work: work())
    difference, _ = attention_against_naive(num_places=1024, channels=32, seed=0)
    assert difference < 1e-6


def test_medpy_is_given_the_same_task_as_we_are():
    ear = np.s_[150:260, 230:310, 40:66]
    prediction, truth = predicted_labels()[ear], truth_labels()[ear]
    assert set(np.unique(truth)) == {0, 1, 2}
    np.testing.assert_allclose(ours(prediction, truth), medpys(prediction, truth), atol=1e-6)


def test_the_script_names_its_benchmarks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bench.py"])
        shown = ended(lambda: runpy.run_path(str(SCRIPTS / "bench.py"), run_name="__main__"))
    assert shown.returncode == 0, shown.stderr
    assert "translation" in shown.stdout
    assert "phantom" in shown.stdout
    assert "segmentation" in shown.stdout
