"""The seam: network stacks, a real one (Linux) and a simulated one."""
