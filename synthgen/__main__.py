"""`python -m synthgen` is the command `synthgen`."""

from synthgen.cli import main

if __name__ == "__main__":
    main()
