"""Folders of the `adapters` library (AdapterHub), versions 1 to 1.3, and what came before."""

from polyhead.convert.adapterhub.reading import read_folder
from polyhead.convert.adapterhub.recognising import is_adapterhub
from polyhead.convert.adapterhub.writing import write_folder_files
from polyhead.convert.format import Format

__all__ = ["ADAPTERHUB"]

ADAPTERHUB = Format(
    name="adapterhub",
    what="a folder of the adapters library",
    recognises=is_adapterhub,
    read=read_folder,
    write=write_folder_files,
)
