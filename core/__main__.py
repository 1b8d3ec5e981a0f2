"""`python -m polyhead` is the command `polyhead`."""

from polyhead.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
