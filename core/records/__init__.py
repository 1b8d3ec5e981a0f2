"""Data files as numbered records, and the fields of examples in them."""

from polyhead.records.fields import RecordFields
from polyhead.records.reading import Record, read_json_lines, read_records

__all__ = ["Record", "RecordFields", "read_json_lines", "read_records"]
