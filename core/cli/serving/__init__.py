"""What `polyhead serve` is made of: the plan, the port, the parts, the process, its logs."""
