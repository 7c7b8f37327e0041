"""Mixes: exact values on small arrays, boxes by hypothesis, and batches that are a function of (seed, epoch, batch)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import encode, numbered

from paddlevideo.loader.assemble import Batch
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.dataset import VideoDataset
from paddlevideo.loader.pipelines import Pipeline
from paddlevideo.loader.pipelines.array import Image2Array, Normalization
from paddlevideo.loader.pipelines.crop import RandomCrop
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.pipelines.mix import Cutmix, Mix, Mixup, VideoMix, draw_box
from paddlevideo.loader.pipelines.sample import Sampler
from paddlevideo.registry import MIXES

SHAPES = {"tchw": (2, 3, 6, 10), "cthw": (3, 2, 6, 10), "thwc": (2, 6, 10, 3)}


class Fixed(np.random.Generator):
    """A generator whose Beta variate, box centre and order are given."""

    def __init__(self, lam: float = 0.5, centre: tuple[int, int] = (0, 0), order: tuple[int, ...] = (1, 0)) -> None:
        super().__init__(np.random.PCG64(0))
        self.lam, self.centre, self.order = lam, list(centre), order

    def beta(self, a: float, b: float, size: object = None) -> float:  # type: ignore[override]
        return self.lam

    def integers(self, *bounds: object, **options: object) -> int:  # type: ignore[override]
        return self.centre.pop(0)

    def permutation(self, x: object, axis: int = 0) -> np.ndarray:  # type: ignore[override]
        return np.array(self.order)


def constant_clips(layout: str, count: int = 2) -> np.ndarray:
    """Clip i holds 10^i everywhere."""
    return np.stack([np.full(SHAPES[layout], 10.0**i, np.float32) for i in range(count)])


def test_mixup_is_the_weighted_sum_with_the_partner() -> None:
    imgs = constant_clips("tchw", 3)
    mixed = Mixup(0.2)(imgs, "tchw", Fixed(lam=0.25, order=(2, 0, 1)))
    assert mixed.lam == np.float32(0.25) and mixed.partners.tolist() == [2, 0, 1]
    assert [float(clip.flat[0]) for clip in mixed.imgs] == [75.25, 3.25, 32.5]
    assert all(len(np.unique(clip)) == 1 for clip in mixed.imgs)
    assert mixed.imgs.dtype == np.float32
    assert [float(clip.flat[0]) for clip in imgs] == [1, 10, 100], "the batch itself is left alone"


@pytest.mark.parametrize("layout", SHAPES)
def test_cutmix_cuts_rows_and_columns_of_every_frame(layout: str) -> None:
    """lam 0.75 gives a box of int(6 / 2) x int(10 / 2); its centre (1, 8) puts it over the right edge."""
    imgs = constant_clips(layout)
    mixed = Cutmix(1.0)(imgs, layout, Fixed(lam=0.75, centre=(1, 8)))
    frames = mixed.imgs.transpose([0, *(1 + layout.index(axis) for axis in "tchw")])  # [B, T, C, H, W]
    expected = np.ones((6, 10), np.float32)
    expected[0:3, 6:10] = 10
    assert np.array_equal(frames[0], np.broadcast_to(expected, (2, 3, 6, 10)))
    assert np.array_equal(frames[1], np.broadcast_to(11 - expected, (2, 3, 6, 10)))
    assert mixed.lam == np.float32(1 - 12 / 60)
    assert imgs.max() == 10 and (imgs[0] == 1).all(), "the batch itself is left alone"


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**32))
def test_boxes_lie_in_the_frame_and_are_no_larger_than_drawn(height: int, width: int, lam: float, seed: int) -> None:
    top, bottom, left, right = draw_box(height, width, lam, np.random.default_rng(seed))
    assert 0 <= top <= bottom <= height and 0 <= left <= right <= width
    assert bottom - top <= height * np.sqrt(1 - lam) and right - left <= width * np.sqrt(1 - lam)
    if lam == 0:
        assert bottom - top >= height // 2 and right - left >= width // 2


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(sorted(SHAPES)), st.integers(1, 5), st.integers(0, 2**32))
def test_lam_of_cutmix_is_the_share_that_was_kept(layout: str, count: int, seed: int) -> None:
    imgs = constant_clips(layout, count)
    mixed = Cutmix(1.0)(imgs, layout, np.random.default_rng(seed))
    for clip, out, partner in zip(imgs, mixed.imgs, mixed.partners):
        kept = np.float32((out == clip).mean()) if not np.array_equal(clip, imgs[partner]) else mixed.lam
        assert abs(kept - mixed.lam) < 1e-6
        assert set(np.unique(out)) <= {clip.flat[0], imgs[partner].flat[0]}


def test_videomix_takes_each_in_its_share() -> None:
    imgs = constant_clips("tchw")
    pasted = 0
    for seed in range(400):
        out = VideoMix(0.25)(imgs, "tchw", np.random.default_rng(seed)).imgs
        pasted += set(np.unique(out)) <= {1.0, 10.0}
    # partners may be the clips themselves (half of the batches of two), which both leave as they are
    assert 200 < pasted < 320
    only = [VideoMix(share)(imgs, "tchw", Fixed(0.75, (1, 8))).imgs for share in (0.0, 1.0)]
    assert np.array_equal(only[0], Mixup()(imgs, "tchw", Fixed(0.75)).imgs)
    assert np.array_equal(only[1], Cutmix()(imgs, "tchw", Fixed(0.75, (1, 8))).imgs)


@pytest.mark.parametrize("mix", [Mixup(0.2), Cutmix(1.0), VideoMix()], ids=lambda mix: type(mix).__name__)
def test_a_batch_of_one_is_mixed_with_itself(mix: Mix) -> None:
    imgs = np.random.default_rng(0).normal(size=(1, *SHAPES["tchw"])).astype(np.float32)
    mixed = mix(imgs, "tchw", np.random.default_rng(3))
    np.testing.assert_allclose(mixed.imgs, imgs, rtol=1e-6, atol=1e-6)
    assert mixed.partners.tolist() == [0] and 0 <= mixed.lam <= 1


def test_lam_of_mixup_is_beta_distributed() -> None:
    imgs = np.zeros((2, 1, 3, 1, 1), np.float32)
    drawn = np.array([Mixup(0.2)(imgs, "tchw", np.random.default_rng(seed)).lam for seed in range(4000)])
    assert abs(drawn.mean() - 0.5) < 0.03
    assert abs(drawn.var() - 1 / (4 * (2 * 0.2 + 1))) < 0.01  # variance of Beta(a, a): 1 / (4 (2 a + 1))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Mixup", {"alpha": 0}, "alpha of the Beta distribution must be above 0, got 0"),
        ("Cutmix", {"alpha": -1}, "alpha of the Beta distribution must be above 0, got -1"),
        ("VideoMix", {"mixup_alpha": 0}, "mixup_alpha of"),
        ("VideoMix", {"cutmix_alpha": 0}, "cutmix_alpha of"),
        ("VideoMix", {"cutmix_prob": 1.5}, "cutmix_prob is a probability, from 0 to 1, got 1.5"),
    ],
)
def test_values_are_checked(name: str, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MIXES.get(name)(**arguments)


# --- in the loader ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    folder = tmp_path_factory.mktemp("clips")
    for i in range(7):
        encode(folder / f"{i}.mp4", numbered(20 + i))
    (folder / "good.list").write_text("".join(f"{i}.mp4 {i}\n" for i in range(7)))
    return VideoDataset(str(folder / "good.list"), str(folder))


PIPELINE = Pipeline(VideoDecoder(), Sampler(3), [RandomCrop(32), Image2Array(), Normalization([0.5] * 3, [0.5] * 3)])


def batches(
    dataset: VideoDataset, *, epoch: int = 0, start: int = 0, mixed: bool = True, **options: int
) -> list[Batch]:
    mix = VideoMix() if mixed else None
    loader = ClipLoader(dataset, PIPELINE, **({"batch_size": 2, "seed": 5} | options), shuffle=True, mix=mix)
    with loader:
        return list(loader.epoch(epoch, start_batch=start))


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second):
        assert a.keys() == b.keys()
        assert all(np.array_equal(a[key], b[key]) for key in a)


def test_a_mixed_batch_has_both_labels_and_lam(dataset: VideoDataset) -> None:
    for plain, mixed in zip(batches(dataset, mixed=False), batches(dataset)):
        assert mixed.keys() - plain.keys() == {"label_b", "lam"}
        assert np.array_equal(plain["label"], mixed["label"]) and plain["files"] == mixed["files"]
        assert sorted(mixed["label_b"]) == sorted(mixed["label"]) and mixed["label_b"].dtype == np.int64
        assert mixed["lam"].shape == () and mixed["lam"].dtype == np.float32
        assert mixed["imgs"].shape == plain["imgs"].shape
        swapped = plain["label"].tolist() != mixed["label_b"].tolist()
        assert np.allclose(plain["imgs"], mixed["imgs"], atol=1e-6) != (swapped and mixed["lam"] < 1)


def test_the_same_mix_with_any_number_of_workers_and_after_a_resume(dataset: VideoDataset) -> None:
    expected = batches(dataset, epoch=3)
    assert len(expected) == 4 and len(expected[-1]["label"]) == 1
    assert_same(batches(dataset, epoch=3, num_workers=1), expected)
    assert_same(batches(dataset, epoch=3, num_workers=2, start=2), expected[2:])


def test_epochs_seeds_batches_and_ranks_are_mixed_differently(dataset: VideoDataset) -> None:
    options = [{"epoch": 0}, {"epoch": 1}, {"seed": 6}, *({"rank": rank, "world_size": 2} for rank in (0, 1))]
    drawn = [[float(batch["lam"]) for batch in batches(dataset, **each)] for each in options]
    assert len(set(drawn[0])) == 4
    assert len({lam for some in drawn[:3] for lam in some}) == 12
    assert not set(drawn[3]) & set(drawn[4])
