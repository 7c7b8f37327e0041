"""`paddlevideo benchmark` as a script."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddlevideo.cli import benchmark, launch

if __name__ == "__main__":
    launch.start(benchmark)
