"""Port ranges, the eras of port allocators, kinds of client, the preconditions; without input and output."""
