"""The only code that touches a kernel: namespaces, the connect loop, capture, probes."""
