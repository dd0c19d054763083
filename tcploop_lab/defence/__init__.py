"""Defences against self-connections: the code of each, and how it is measured."""

import lazy_loader as _lazy_loader

__getattr__, __dir__, _ = _lazy_loader.attach(__name__, ["clients"])
