"""Pure models of TCP self-connection: no sockets, no files, no plots."""
