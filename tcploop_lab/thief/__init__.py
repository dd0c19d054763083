"""The port thief: a client that takes the port of the server it waits for."""
