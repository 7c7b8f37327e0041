"""The whole road on a data set made on the spot: generate, train, validate, test, export, predict."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "configs/recognition/demo/tsm_demo.yaml"
BEST = "output/TSM_demo/TSM_demo_best.pdparams"
EXPORTED = "inference/TSM_demo"
VIDEOS = "data/demo/videos"


def steps(clip: str) -> list[tuple[str, list[str]]]:
    """(what, command) in order; commands are as a user would type them."""
    return [
        ("Train TSM, validating after each epoch", ["main.py", "--validate", "-c", CONFIG]),
        ("Test the best checkpoint", ["main.py", "--test", "-c", CONFIG, "-w", BEST]),
        ("Export it", ["tools/export_model.py", "-c", CONFIG, "-p", BEST, "-o", EXPORTED]),
        ("Predict one clip", ["tools/predict.py", "--model_file", EXPORTED, "--input_file", clip]),
    ]


def run(number: int, what: str, command: list[str]) -> None:
    """Shows and runs one command; its failure ends the demo."""
    print(f"\n== {number}. {what}\n$ python {' '.join(command)}", flush=True)
    code = subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode
    if code:
        sys.exit(f"the demo stopped: step {number} ended with exit code {code}")


def held_out_clip() -> tuple[str, str]:
    """A clip the model was not trained on, and its class name."""
    path, label = (ROOT / VIDEOS / "valid.list").read_text(encoding="utf-8").splitlines()[0].rsplit(maxsplit=1)
    names = dict(line.split(maxsplit=1) for line in (ROOT / VIDEOS / "labels.txt").read_text().splitlines())
    return f"{VIDEOS}/{path}", names[label]


def main() -> None:
    """Runs the demo and says what it did."""
    started = time.perf_counter()
    run(1, "Make the demo data set: shapes whose class is the direction they move in", ["data/demo/make_demo.py"])
    clip, truth = held_out_clip()
    for number, (what, command) in enumerate(steps(clip), 2):
        run(number, what, command)
    print(f"(the clip shows: {truth})")
    log = (ROOT / "output/TSM_demo/TSM_demo.log").read_text(encoding="utf-8").splitlines()
    figure = next(line.partition("finished, ")[2] for line in reversed(log) if "[TEST] finished" in line)
    print(
        f"""
Done in {time.perf_counter() - started:.0f} s. A TSM learned the direction of motion on clips made here, and was tested,
exported and used on clips it had not seen: {figure} (1 is perfect, guessing gives 0.125).

  the clips          {VIDEOS}/            (train.list, valid.list, labels.txt)
  checkpoints, log   output/TSM_demo/
  exported model     {EXPORTED}/

Now with your own videos, one folder a class (my_videos/<class name>/*.mp4):

  .venv/bin/python data/make_lists.py my_videos --out data/mine

and follow "Your own videos" in README.md."""
    )


if __name__ == "__main__":
    main()
