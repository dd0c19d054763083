"""TCP as RFC 9293 has it, without input and output: segments, the state table, one end, the replay of a capture."""
