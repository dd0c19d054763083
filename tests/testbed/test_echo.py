"""The control of an audit: whoever talks to the echo reads what it would read from itself."""

from __future__ import annotations

import pytest

import tcploop_lab as lab

from . import inside

pytestmark = pytest.mark.private_network


@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)) * 1000])
@pytest.mark.parametrize("ending", ["half", "nothing"])
def test_an_echo_answers_as_oneself_does(data: bytes, ending: str) -> None:
    """Every byte comes back, in order; after a half close the stream ends, and without one it goes on."""
    with lab.open_testbed(kind="namespace") as one, lab.open_testbed(kind="namespace") as other:
        own = one.submit(inside.talk_to_itself_or_an_echo, True, data, ending).result()
        echo = other.submit(inside.talk_to_itself_or_an_echo, False, data, ending).result()
    assert own == echo == (data, "end" if ending == "half" else "nothing")
