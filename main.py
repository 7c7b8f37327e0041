"""Train (--validate) or test (--test) a model: flags only; the work is in paddlevideo.cli."""

from paddlevideo.cli import classic, launch

if __name__ == "__main__":
    launch.start(classic)
