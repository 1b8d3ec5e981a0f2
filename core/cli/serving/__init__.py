"""What `polyhead serve` is made of: its plan, port, parts, process and logs."""

__all__: list[str] = []
