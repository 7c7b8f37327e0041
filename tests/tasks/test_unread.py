"""The list of what could not be read, over ranks, epochs and resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paddlevideo.cli import predict
from paddlevideo.loader.assemble import Failure
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.dataset import FileList, VideoDataset
from paddlevideo.loader.pipelines import Pipeline
from paddlevideo.tasks.unreadable import Unread, listing, read_listing, write_listing
from paddlevideo.utils import dist


def unchanged(clip: Clip, rng: np.random.Generator) -> Clip:
    return clip


@pytest.fixture
def loader(tmp_path: Path) -> ClipLoader:
    """Six samples; b.mp4 is listed twice."""
    (tmp_path / "all.list").write_text("".join(f"{name}.mp4 0\n" for name in "abcbde"))
    return ClipLoader(VideoDataset(str(tmp_path / "all.list")), Pipeline(unchanged, unchanged), batch_size=2)


def failures(*indices: int) -> list[Failure]:
    return [Failure(f"{'abcbde'[i]}.mp4", f"reason {'abcbde'[i]}", i) for i in indices]


def test_a_listing_is_in_the_order_of_the_list_and_can_be_read_again(tmp_path: Path, loader: ClipLoader) -> None:
    path = listing(tmp_path / "new folder", "train")
    write_listing(path, [*failures(4, 3, 1), Failure("a.mp4", "two\nlines\tand a tab", 0)])
    assert path.read_text() == "a.mp4\ttwo lines and a tab\nb.mp4\treason b\nb.mp4\treason b\nd.mp4\treason d\n"
    assert read_listing(path, loader.dataset)[1:] == failures(1, 3, 4)
    write_listing(path, [])
    assert not path.exists()


def test_names_that_are_no_text_are_one_line_and_found_again(tmp_path: Path) -> None:
    name = "no utf-8 \udcff, two\nlines.mp4"
    dataset, path = FileList([name]), listing(tmp_path, "train")
    write_listing(path, [Failure(name, "a reason", 0)])
    assert path.read_text() == "no utf-8 \\udcff, two\\nlines.mp4\ta reason\n"
    assert read_listing(path, dataset) == [Failure(name, "a reason", 0)]


def test_a_new_run_forgets_and_a_resumed_one_remembers(tmp_path: Path, loader: ClipLoader) -> None:
    paths = [tmp_path / "unreadable_train.txt", tmp_path / "unreadable_train.txt.rank1"]
    unread = Unread({"train": loader}, tmp_path)
    write_listing(paths[0], failures(2))
    write_listing(paths[1], failures(2, 5))
    unread.begin(resumed=True)
    assert loader.failures == failures(2, 5)
    unread.begin(resumed=False)
    assert not any(path.exists() for path in paths)


def test_ranks_are_joined_and_each_sample_counts_once(
    tmp_path: Path, loader: ClipLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dist, "gather_objects", lambda own: [own, failures(0, 4)])
    loader.remember(failures(4, 1))
    (tmp_path / "unreadable_valid.txt.rank1").touch()  # of a run that ended early
    Unread({"valid": loader}, tmp_path).finish()
    assert sorted(failure.index for failure in loader.failures) == [0, 1, 4]
    assert [path.name for path in tmp_path.glob("unreadable*")] == ["unreadable_valid.txt"]
    assert listing(tmp_path, "valid").read_text() == "a.mp4\treason a\nb.mp4\treason b\nd.mp4\treason d\n"


@pytest.mark.parametrize(("rank", "name"), [(0, "unreadable_train.txt"), (1, "unreadable_train.txt.rank1")])
def test_a_rank_that_ends_early_asks_no_other(
    rank: int, name: str, tmp_path: Path, loader: ClipLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dist, "rank", lambda: rank)
    monkeypatch.setattr(dist, "gather_objects", lambda own: pytest.fail("the others may be gone"))
    with pytest.raises(KeyboardInterrupt), Unread({"train": loader}, tmp_path).kept_on_error():
        loader.remember(failures(3))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.glob("unreadable*")] == [name]
    assert (tmp_path / name).read_text() == "b.mp4\treason b\n"


def test_a_full_disk_does_not_hide_what_ended_the_run(tmp_path: Path, loader: ClipLoader) -> None:
    (tmp_path / "file").touch()
    loader.remember(failures(3))
    with pytest.raises(ZeroDivisionError), Unread({"train": loader}, tmp_path / "file").kept_on_error():
        raise ZeroDivisionError


def test_prediction_lists_beside_its_results(tmp_path: Path) -> None:
    path = tmp_path / "unreadable_predict.txt"
    predict._report(failures(0), 3, str(tmp_path / "result.csv"))
    assert path.read_text() == "a.mp4\treason a\n"
    predict._report([], 3, str(tmp_path / "result.csv"))
    assert not path.exists()
