"""The command line; torch and the model are imported inside the commands that need them."""

from polyhead.cli.app import main

__all__ = ["main"]
