"""Kernels of the environment that the lab is installed in: which cell to run is said although none was run yet."""

from contextlib import suppress

with suppress(ImportError):
    from tcploop_lab import tracebacks

    get_config().InteractiveShellApp.extensions.append(tracebacks.__name__)  # type: ignore[name-defined] # noqa: F821
