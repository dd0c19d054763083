"""Other kernels for real: Debian's, started as an ordinary process (user-mode Linux), with the lab inside."""
