import io

import pytest
import torch

from tanq_monai.errors import InputError
from tanq_monai.trainers.image_pool import ImagePool


def _numbered(first, count):
    """Slices of 2 x 2 pixels, all pixels of slice n being n, and styles n + 0.5 of them that tell them apart."""
    numbers = torch.arange(first, first + count)
    return numbers.float()[:, None, None, None].expand(-1, 1, 2, 2).clone(), numbers + 1000


def _exchange(pool, batches, batch_size=4, first=0):
    """Numbers of what is shown for the slices of batch ``first`` and those after; each is seeded, as in training."""
    shown = []
    with torch.random.fork_rng():
        for number in range(first, first + batches):
            torch.manual_seed(number)
            images, styles = pool.exchange(*_numbered(number * batch_size, batch_size))
            assert (images == images[:, :, :1, :1]).all()
            assert torch.equal(images[:, 0, 0, 0].long() + 1000, styles)
            shown += images[:, 0, 0, 0].long().tolist()
    return shown


def _kept(pool):
    return pool.state_dict()["images"][:, 0, 0, 0].long().tolist()


def test_everything_is_shown_as_it_is_while_the_pool_fills():
    pool = ImagePool(size=50)
    assert _exchange(pool, 12) == list(range(48))
    assert _kept(pool) == list(range(48))
    assert _exchange(pool, 1, batch_size=2, first=24) == [48, 49]
    assert len(pool) == 50


def test_draws_equal_the_algorithm_written_out():
    pool, expected, kept = ImagePool(size=3), [], []
    shown = _exchange(pool, 10)
    with torch.random.fork_rng():
        for number in range(40):
            if number % 4 == 0:
                torch.manual_seed(number // 4)
            if len(kept) < 3:
                kept.append(number)
                expected.append(number)
            elif torch.rand(()) < 0.5:
                expected.append(number)
            else:
                place = int(torch.randint(3, ()))
                expected.append(kept[place])
                kept[place] = number
    assert shown == expected
    assert _kept(pool) == kept


def test_one_half_is_shown_from_the_pool_and_every_place_of_it_alike():
    pool = ImagePool(size=10)
    _exchange(pool, 5, batch_size=2)
    draws, old = 4000, []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for number in range(10, 10 + draws):
            before = _kept(pool)
            shown = int(pool.exchange(*_numbered(number, 1))[0][0, 0, 0, 0])
            if shown != number:
                old.append(before.index(shown))
                assert _kept(pool)[old[-1]] == number
    assert len(old) / draws == pytest.approx(0.5, abs=0.03)  # 4 standard deviations
    counts = torch.bincount(torch.tensor(old), minlength=10)
    assert ((counts / len(old) - 0.1).abs() < 0.03).all()


def test_every_translation_is_shown_or_kept_and_none_twice():
    pool = ImagePool(size=7)
    shown = _exchange(pool, 50)
    shown_later = set(range(200)) - set(shown)
    assert shown_later <= set(_kept(pool))
    from_pool = [number for place, number in enumerate(shown) if number != place]
    assert len(from_pool) == len(set(from_pool))


@pytest.mark.parametrize("batches", [0, 1, 20])
def test_a_pool_that_is_restored_goes_on_with_the_same_draws(batches):
    pool, restored, file = ImagePool(size=6), ImagePool(size=6), io.BytesIO()
    _exchange(pool, batches)
    torch.save(pool.state_dict(), file)
    file.seek(0)
    restored.load_state_dict(torch.load(file, weights_only=True))
    assert len(restored) == len(pool)
    assert _exchange(restored, 10, first=batches) == _exchange(pool, 10, first=batches)
    assert _kept(restored) == _kept(pool)


def test_what_is_kept_is_a_copy():
    pool, (images, styles) = ImagePool(size=4), _numbered(0, 4)
    pool.exchange(images, styles)
    images.fill_(9)
    assert _kept(pool) == [0, 1, 2, 3]
    assert pool.state_dict()["images"].untyped_storage().nbytes() == images.untyped_storage().nbytes()


def test_no_gradient_flows_through_the_pool():
    images, styles = _numbered(0, 2)
    assert not ImagePool().exchange(images.requires_grad_(), styles)[0].requires_grad


def test_a_pool_of_size_0_shows_the_translations_as_they_are():
    pool = ImagePool(size=0)
    assert _exchange(pool, 5) == list(range(20))
    assert len(pool) == 0


def test_a_state_larger_than_the_pool_is_refused():
    pool = ImagePool(size=8)
    _exchange(pool, 2)
    with pytest.raises(ValueError, match="pool of 4 cannot keep 8"):
        ImagePool(size=4).load_state_dict(pool.state_dict())


def test_slices_of_another_crop_are_told_in_one_line():
    pool = ImagePool(size=1)
    pool.exchange(*_numbered(0, 1))
    larger, styles = torch.zeros(64, 1, 4, 4), torch.zeros(64, dtype=torch.long)
    with pytest.raises(InputError, match=r"holds slices of \(2, 2\) pixels, not \(4, 4\); give the crop"):
        pool.exchange(larger, styles)


@pytest.mark.gpu
def test_a_pool_restored_from_the_CPU_shows_and_keeps_slices_of_the_GPU():
    pool, restored = ImagePool(size=6), ImagePool(size=6)
    _exchange(pool, 3)
    restored.load_state_dict(pool.state_dict())
    shown = []
    with torch.random.fork_rng():
        for number in range(5):
            torch.manual_seed(3 + number)
            images, styles = _numbered(12 + 4 * number, 4)
            shown_images, shown_styles = restored.exchange(images.cuda(), styles.cuda())
            assert shown_images.is_cuda and shown_styles.is_cuda
            shown += shown_images[:, 0, 0, 0].long().tolist()
    assert shown == _exchange(pool, 5, first=3)
    assert _kept(restored) == _kept(pool)
