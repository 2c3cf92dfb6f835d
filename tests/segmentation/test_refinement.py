import numpy as np
import pandas as pd
import pytest
from refinement_cases import AFFINE, FAR, IGNORE, LEFT, NEAR, RIGHT, VOXEL_MM3, VS, head, noisy_head, refined
from shared_data import shared_data_folder

from tanq_monai.anatomy.components import find_components
from tanq_monai.anatomy.plausibility import Plausible
from tanq_monai.anatomy.published import published
from tanq_monai.errors import InputError
from tanq_monai.segmentation.rounds.refinement_rules import RefinementRules
from tanq_monai.structures import Structures

FIFTY_FIFTY = 128 / 255


def _stored(share):
    return np.float32(np.rint(share * 255) / 255)


def test_perfect_labels_with_full_agreement_come_out_unchanged_and_accepted():
    done = refined(head())
    np.testing.assert_array_equal(done.labels, head())
    assert done.labels.dtype == np.uint8
    assert done.reasons == () and not done.removed.any()


@pytest.mark.parametrize("which", ["confidence", "agreement"])
def test_voxels_below_the_threshold_are_ignored_be_they_structure_or_background(which):
    share = np.ones(head().shape, np.float32)
    doubtful = np.zeros(share.shape, bool)
    doubtful[22:24, 34:44, 3:9] = doubtful[60:62, 10:12, 8] = True
    share[doubtful] = FIFTY_FIFTY
    labels = refined(head(), **{which: share}).labels
    np.testing.assert_array_equal(labels, np.where(doubtful, IGNORE, head()))


@pytest.mark.parametrize(("votes", "members", "kept"), [(2, 3, True), (3, 5, False), (4, 5, True), (1, 2, False)])
def test_two_of_three_and_four_of_five_members_agree_enough_in_the_steps_that_files_have(votes, members, kept):
    agreement = np.full(head().shape, _stored(votes / members))
    assert (refined(head(), agreement=agreement).labels == head()).all() == kept


def test_confidence_of_exactly_the_threshold_is_enough_as_stored():
    assert (refined(head(), confidence=np.full(head().shape, _stored(0.75))).labels == head()).all()


def test_of_two_tumors_the_one_of_the_greater_confidence_weighted_volume_stays_and_the_other_is_ignored():
    labels, confidence = head(), np.ones(head().shape, np.float32)
    other = np.s_[63:73, 34:44, 3:10]  # 1050 mm3, beside the left cochlea as the VS beside the right one
    labels[other] = 1
    for certainty, kept, lost in ((1.0, other, VS), (0.8, VS, other)):  # 0.8 * 1050 < 900 < 1050
        confidence[other] = certainty
        done = refined(labels, confidence)
        assert (done.labels[kept] == 1).all() and (done.labels[lost] == IGNORE).all()
        assert np.unique(done.removed[done.removed > 0]).size == 1


@pytest.mark.parametrize("place", [FAR, np.s_[15:21, 26:38, 0:10]], ids=["33 mm from a cochlea", "around a cochlea"])
def test_a_larger_component_where_no_tumor_can_be_is_ignored(place):
    labels = head()
    labels[place] = 1
    done = refined(labels, vs_to_cochlea_mm=(7.0, 25.4))
    assert (done.labels[place] == IGNORE).all() and (done.labels[VS] == 1).all()
    alone = np.where(head() == 1, 0, labels).astype(np.uint8)
    assert refined(alone, vs_to_cochlea_mm=(7.0, 25.4)).reasons == ("VS missing: removed by operation, or overlooked",)


def test_a_vessel_that_hangs_on_the_tumor_by_uncertain_voxels_is_cut_off():
    labels, confidence = head(), np.ones(head().shape, np.float32)
    labels[32:34, 36:38, 5:7] = 1  # the bridge
    labels[NEAR] = 1
    confidence[32:34] = FIFTY_FIFTY
    done = refined(labels, confidence)
    assert (done.labels[NEAR] == IGNORE).all() and (done.labels[VS] == 1).all()


def test_fragments_are_ignored_even_where_nothing_else_is_and_are_no_tumor():
    labels = np.where(head() == 1, 0, head()).astype(np.uint8)
    labels[24:26, 36:37, 4:6] = 1  # 6 mm3
    done = refined(labels, vs_required=False)
    assert done.reasons == () and not (done.labels == 1).any()
    assert np.count_nonzero(done.labels == IGNORE) == 4


@pytest.mark.parametrize(("missing", "kept"), [(1, True), (3, False)])
def test_a_cochlea_with_one_slice_missing_is_one_with_three_missing_it_is_two(missing, kept):
    labels = head()
    upper = np.s_[10:15, 30:34, 6 + missing : 7 + missing]
    labels[upper] = 2
    done = refined(labels)
    assert (done.labels[RIGHT] == 2).all()
    assert (done.labels[upper] == (2 if kept else IGNORE)).all()


def test_the_pair_that_can_be_ears_beats_a_single_heavier_component():
    labels = head()
    vestibule = np.s_[10:15, 40:44, 4:7]  # 90 mm3, more than either cochlea, 70.7 mm from the left one
    labels[vestibule] = 2
    done = refined(labels, cochleae_apart_mm=(69.0, 70.2))
    assert (done.labels[vestibule] == IGNORE).all()
    assert (done.labels[RIGHT] == 2).all() and (done.labels[LEFT] == 2).all()


def test_two_components_one_before_the_other_are_no_ears():
    labels = np.zeros((30, 100, 20), np.uint8)
    labels[10:15, 10:14, 4:6] = labels[10:15, 80:85, 4:6] = 2
    assert np.unique(refined(labels).labels[labels == 2]).tolist() == [2, IGNORE]


def _without(place):
    labels = head()
    labels[place] = 0
    return labels


def _with(place, value, base=None):
    labels = head() if base is None else base
    labels[place] = value
    return labels


@pytest.mark.parametrize(
    ("labels", "rules", "reason"),
    [
        (_without(VS), {}, "VS missing: removed by operation, or overlooked"),
        (_with(np.s_[22:26, 34:38, 3:6], 1, _without(VS)), {}, "VS volume: 72 mm3, 92 to 8930 plausible"),
        (head(), {"vs_mm3": (92, 800)}, "VS volume: 900 mm3, 92 to 800 plausible"),
        (_without(LEFT), {}, "cochlea missing: 1 found, 2 wanted"),
        (_with(np.s_[82:85, 30:34], 0), {}, "cochlea volume: 24 mm3, 28 to 112 plausible"),
        (_with(np.s_[80:87, 30:34, 4:8], 2), {}, "cochlea volume: 168 mm3, 28 to 112 plausible"),
        (
            _with(np.s_[60:65, 30:34, 4:6], 2, _without(LEFT)),
            {"min_cochleae": 1},
            "cochleae apart: 50.0 mm, 60 to 79 plausible",
        ),
        (_with(np.s_[60:70, 34:44, 3:8], 1), {"max_ignored_share": 0.4}, "VS uncertain: 45.5% ignored, at most 40.0%"),
    ],
)
def test_an_implausible_case_waits_and_says_why(labels, rules, reason):
    reasons = refined(labels, **rules).reasons
    assert len(reasons) == 1
    assert reasons[0].startswith(reason)


def test_a_case_without_any_cochlea_waits_however_large_its_tumor():
    done = refined(np.where(head() == 2, 0, head()).astype(np.uint8))
    assert done.reasons == ("cochlea missing: 0 found, 2 wanted",)
    assert (done.labels[VS] == 1).all()


def test_rules_of_missing_structures_can_be_switched_off():
    assert refined(_without(VS), vs_required=False).reasons == ()
    assert refined(_without(LEFT), min_cochleae=1).reasons == ()


def test_a_tumor_is_too_small_only_with_its_uncertain_voxels_and_too_large_only_without():
    confidence = np.ones(head().shape, np.float32)
    confidence[22:26] = FIFTY_FIFTY  # 540 of 900 mm3 are certain
    assert refined(head(), confidence, vs_mm3=(600, 8930)).reasons == ()
    assert refined(head(), confidence, vs_mm3=(92, 600)).reasons == ()
    assert refined(head(), confidence, vs_mm3=(901, 8930)).reasons != ()
    assert refined(head(), confidence, vs_mm3=(92, 539)).reasons != ()


@pytest.mark.parametrize("seed", range(6))
def test_a_voxel_keeps_its_label_or_is_ignored_and_refining_again_changes_nothing(seed):
    labels, confidence, agreement = noisy_head(seed)
    once = refined(labels, confidence, agreement)
    assert ((once.labels == labels) | (once.labels == IGNORE)).all()
    assert not (once.labels == labels).all()
    np.testing.assert_array_equal(refined(once.labels, confidence, agreement).labels, once.labels)


@pytest.mark.parametrize("seed", range(6))
def test_a_mirrored_head_is_refined_to_the_mirrored_labels(seed):
    volumes = noisy_head(seed)
    straight, mirrored = refined(*volumes), refined(*(volume[::-1] for volume in volumes))
    np.testing.assert_array_equal(mirrored.labels, straight.labels[::-1])
    assert mirrored.reasons == straight.reasons


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 0, 2)])
def test_order_of_the_voxel_axes_does_not_matter(order):
    volumes = noisy_head(7)
    turned = refined(*(np.transpose(v, order) for v in volumes), affine=AFFINE[:, [*order, 3]])
    np.testing.assert_array_equal(turned.labels, np.transpose(refined(*volumes).labels, order))


def test_parts_of_a_tumor_are_one_tumor_by_their_names_alone():
    structures = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})
    labels = np.where(head() == 2, 3, head()).astype(np.uint8)
    labels[26:32, 34:44, 3:9] = 2  # 360 mm3 inside, 540 outside: only together 900
    labels[60:70, 34:44, 3:8] = 2  # 750 mm3, more than either part
    done = refined(labels, structures=structures)
    assert done.reasons == ()
    np.testing.assert_array_equal(done.labels[VS], labels[VS])
    assert (done.labels[60:70, 34:44, 3:8] == 4).all()


def test_of_other_structures_only_uncertain_voxels_are_ignored_and_too_many_of_them_are_told():
    labels, confidence = head(), np.ones(head().shape, np.float32)
    confidence[VS][:6] = 0.5  # six tenths of it
    heart = Structures({"myocardium": 1, "left atrium": 2})
    done = refined(labels, confidence, structures=heart)
    np.testing.assert_array_equal(done.labels, np.where(confidence < 0.75, 3, labels))
    assert done.reasons == ("myocardium uncertain: 60.0% ignored, at most 50.0% plausible",)
    assert not done.removed.any()
    assert refined(head(), structures=heart).reasons == ()


def test_another_structure_beside_vs_and_cochlea_stays_where_it_is():
    labels = head()
    labels[FAR] = 3
    done = refined(labels, structures=Structures({"VS": 1, "cochlea": 2, "nerve": 3}))
    np.testing.assert_array_equal(done.labels, labels)
    assert done.reasons == ()


@pytest.mark.parametrize("rule", [{"min_agreement": 1.2}, {"min_cochleae": 3}])
def test_rules_that_cannot_be_are_refused_by_name(rule):
    with pytest.raises(InputError, match=f"^{next(iter(rule))}: is "):
        RefinementRules(**rule)


@pytest.mark.parametrize("bound", [{"vs_mm3": (9, 3)}, {"fragment_mm3": -1}, {"vs_mm3": (1,)}])
def test_bounds_that_cannot_be_are_refused_by_name(bound):
    with pytest.raises(InputError, match=f"^{next(iter(bound))}: is "):
        Plausible(**bound)


def test_volume_weight_and_centroid_of_components_equal_a_loop_over_their_voxels():
    labels, confidence, _ = noisy_head(3)
    ids, components = find_components(labels == 1, confidence, AFFINE)
    assert len(components) > 2
    assert ((ids > 0) == (labels == 1)).all()
    for one in components:
        voxels = [(i, j, k) for i, j, k in np.argwhere(ids == one.number)]
        assert one.volume == pytest.approx(len(voxels) * VOXEL_MM3)
        assert one.weight == pytest.approx(sum(float(confidence[v]) for v in voxels) * VOXEL_MM3, rel=1e-5)
        places = [(AFFINE @ [*voxel, 1])[:3] for voxel in voxels]
        np.testing.assert_allclose(one.center, np.mean(places, axis=0))


def test_ranges_are_percentiles_and_extremes_of_the_published_patients():
    table = pd.read_csv(shared_data_folder("vs_seg_geometry.csv"))
    rules = Plausible()
    for column, interval in (("vs_mm3", rules.vs_mm3), ("coch_mm3", rules.cochlea_mm3)):
        np.testing.assert_allclose(interval, np.percentile(table[column].dropna(), (1, 99)), rtol=0.01)
    both = table.dropna(subset=["vs_L", "c_L"])
    gaps = [both[f"vs_{axis}"] - both[f"c_{axis}"] for axis in "LPS"]
    distance = np.sqrt(sum(gap**2 for gap in gaps))
    np.testing.assert_allclose(rules.vs_to_cochlea_mm, (distance.min(), distance.max()), atol=0.1)
    assert rules.fragment_mm3 == pytest.approx(table["coch_mm3"].min() / 2, abs=0.01)
    half = published().geometry["cochlea left-right"][-1]
    low, high = published().apart
    np.testing.assert_allclose(rules.cochleae_apart_mm, (low - half, high + half), atol=0.5)
