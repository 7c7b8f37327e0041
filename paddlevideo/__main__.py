"""`python -m paddlevideo`."""

from paddlevideo.cli.main import main

if __name__ == "__main__":
    main()
