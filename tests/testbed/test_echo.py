"""The control of an audit: whoever talks to the echo reads what it would read from itself."""

from __future__ import annotations

import pytest

import tcploop_lab as lab

from . import inside_audits

pytestmark = pytest.mark.private_network


@pytest.mark.may_skip("needs nf_tables in the kernel")
@pytest.mark.parametrize("data", [b"", bytes(range(256)) * 1000])
@pytest.mark.parametrize("ending", ["half", "nothing"])
@pytest.mark.parametrize("kind", ["mirror", "listener"])
def test_an_echo_answers_as_oneself_does(data: bytes, ending: str, kind: str) -> None:
    """Every byte comes back, in order; after a half close the stream ends, and without one it goes on."""
    with lab.open_testbed(kind="namespace") as one, lab.open_testbed(kind="namespace") as other:
        own = one.submit(inside_audits.talk_to, "itself", data, ending).result()
        try:
            echo = other.submit(inside_audits.talk_to, kind, data, ending).result()
        except OSError as error:
            pytest.skip(f"nf_tables is refused here: {error.strerror}") if kind == "mirror" else pytest.fail(str(error))
    assert own == echo == (data, "end" if ending == "half" else "nothing")
