"""`paddlevideo predict` as a script, under the name PaddleVideo gave it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddlevideo.cli import launch, predict

if __name__ == "__main__":
    launch.start(predict)
