"""What each command answers with --json: the keys of the contract, and values that hold together."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from scapy.utils import rdpcap

from tcploop_lab.cli import main
from tcploop_lab.tries.theory import ERAS, distribution

pytestmark = pytest.mark.anyuser

ONE = ("40500", "--range", "40500-40500")  # a range of one port: certain on the first try
ODD = ("40501", "--range", "40000-40999", "--max-tries", "2000")
DEFAULT = ("--range", "32768-60999")
KEYS_OF_CONNECT = {"connected", "self_connected", "tries", "seconds", "local", "peer", "client", "errors"}


class Lab:
    """Runs commands and keeps the rule that --json prints one JSON object and nothing else."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def json(self, *args: str) -> tuple[int, dict[str, Any]]:
        """Return exit code and object; the output is strict JSON on one line, stderr is silent."""
        code = main([*args, "--json"])
        out, err = self._capsys.readouterr()
        assert err == ""
        assert out.endswith("}\n") and out.count("\n") == 1
        return code, json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    def text(self, *args: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        code = main(list(args))
        out, err = self._capsys.readouterr()
        return code, out, err


@pytest.fixture
def tcploop(capsys: pytest.CaptureFixture[str]) -> Lab:
    """The command, in this process."""
    return Lab(capsys)


def test_doctor(tcploop: Lab) -> None:
    """The doctor names the kernel, the testbed, and capabilities, each with what was seen."""
    code, answer = tcploop.json("doctor")
    assert code == 0
    assert answer["testbed"] in ("namespace", "host")
    assert answer["kernel"].startswith("Linux ")
    assert len({item["name"] for item in answer["capabilities"]}) == len(answer["capabilities"]) > 10
    for item in answer["capabilities"]:
        assert {"name", "ok", "detail", "fix"} <= set(item)
        assert item["detail"] and bool(item["fix"]) is not item["ok"]


@pytest.mark.private_network
def test_check_says_yes(tcploop: Lab) -> None:
    """A port that can loop: exit code 0, every rule holds, M is half of the range."""
    code, answer = tcploop.json("check", "33334", *DEFAULT)
    assert (code, answer["port"], answer["host"], answer["can_loop"]) == (0, 33334, "127.0.0.1", True)
    assert answer["candidates"] == 14116
    assert len(answer["rules"]) > 5
    assert all(rule["ok"] and rule["name"] and rule["evidence"] for rule in answer["rules"])


@pytest.mark.private_network
def test_check_says_no(tcploop: Lab) -> None:
    """Port 33333 cannot loop on a kernel with parity: exit code 1, and the one rule that fails says why."""
    code, answer = tcploop.json("check", "33333", *DEFAULT)
    broken = [rule for rule in answer["rules"] if not rule["ok"]]
    assert (code, answer["can_loop"], [rule["name"] for rule in broken]) == (1, False, ["parity"])
    assert "33333 is odd" in broken[0]["evidence"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::1"])
def test_connect_to_itself(tcploop: Lab, host: str) -> None:
    """With a range of one port the first try loops: both ends have one name, nothing failed."""
    code, answer = tcploop.json("connect", *ONE, "--host", host)
    name = ["::1" if host == "::1" else "127.0.0.1", 40500]
    assert set(answer) > KEYS_OF_CONNECT
    assert (code, answer["connected"], answer["self_connected"], answer["tries"]) == (0, True, True, 1)
    assert answer["local"] == answer["peer"] == name
    assert (answer["errors"], answer["client"], answer["stopped"]) == ({}, "same-socket", "connected")
    assert 0 < answer["seconds"] < 60


@pytest.mark.private_network
def test_connect_gives_up(tcploop: Lab) -> None:
    """A port of the wrong parity: exit code 1 after exactly the tries that were allowed."""
    code, answer = tcploop.json("connect", *ODD)
    assert (code, answer["connected"], answer["self_connected"]) == (1, False, False)
    assert (answer["tries"], answer["stopped"], answer["errors"]) == (2000, "max-tries", {"ECONNREFUSED": 2000})
    assert answer["local"] is answer["peer"] is None


@pytest.mark.private_network
def test_connect_times_out(tcploop: Lab) -> None:
    """The time-out ends a loop that cannot succeed, with what was measured."""
    code, answer = tcploop.json("connect", *ODD, "--max-tries", "100000000", "--timeout", "0.3")
    assert (code, answer["stopped"]) == (1, "timeout")
    assert answer["tries"] > 0
    assert 0.3 <= answer["seconds"] < 5


def test_somebody_else_answers(tcploop: Lab) -> None:
    """A listener that answers is a connection, but none to itself: exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, answer = tcploop.json("connect", str(port), "--testbed", "host", "--max-tries", "5")
    assert (code, answer["connected"], answer["self_connected"]) == (1, True, False)
    assert answer["peer"] == ["127.0.0.1", port] != answer["local"]


@pytest.mark.parametrize(
    ("client", "port"), [("bind-self", "40501"), ("socket-range", "40501"), ("new-socket", "40500")]
)
def test_every_kind_of_client_can_be_named(tcploop: Lab, client: str, port: str) -> None:
    """--client chooses how the sockets are made, and the answer repeats it."""
    code, answer = tcploop.json("connect", port, "--range", "40000-40999", "--client", client)
    assert (code, answer["client"], answer["self_connected"]) == (0, client, True)


@pytest.mark.private_network
def test_capture(tcploop: Lab, tmp_path) -> None:
    """The three segments, each once, with the states they lead to; the file holds the same."""
    path = tmp_path / "loop.pcap"
    code, answer = tcploop.json("capture", *ONE, "--pcap", str(path))
    segments = answer["segments"]
    assert (code, answer["dropped"], answer["tries"]) == (0, 0, 1)
    assert [item["flags"] for item in segments] == ["S", "SA", "A"]
    assert [item["state"] for item in segments] == ["SYN-RECEIVED", "ESTABLISHED", "ESTABLISHED"]
    x = segments[0]["seq"]
    assert [(item["seq"] - x) % 2**32 for item in segments] == [0, 0, 1]
    assert [(item["ack"] - x) % 2**32 for item in segments[1:]] == [1, 1]
    assert {(item["sport"], item["dport"]) for item in segments} == {(40500, 40500)}
    assert [str(packet["TCP"].flags) for packet in rdpcap(str(path))] == ["S", "SA", "A"]


@pytest.mark.private_network
def test_capture_a_talk(tcploop: Lab) -> None:
    """With --talk the data comes back, and the close goes through CLOSING to TIME-WAIT."""
    code, answer = tcploop.json("capture", *ONE, "--talk")
    assert code == 0
    assert [item["flags"] for item in answer["segments"]] == ["S", "SA", "A", "PA", "A", "FA", "A"]
    assert [item["state"] for item in answer["segments"]][-2:] == ["CLOSING", "TIME-WAIT"]


@pytest.mark.private_network
def test_capture_of_nothing(tcploop: Lab) -> None:
    """Where no self-connection happens there is no segment of one: exit code 1."""
    code, answer = tcploop.json("capture", *ODD)
    assert (code, answer["segments"], answer["tries"]) == (1, [], 2000)


def test_probe(tcploop: Lab) -> None:
    """The probe names an era, and counts one step between each two of its tries."""
    code, answer = tcploop.json("probe", "--tries", "200")
    assert code == 0
    assert answer["era"] in ERAS
    assert answer["parity"] in ("even", "odd", "both")
    assert sum(answer["increments"].values()) == 199
    assert all(int(step) > 0 for step in answer["increments"])


def test_model(tcploop: Lab) -> None:
    """The model's numbers are those of the library: mean (M+1)/2 under the even sequence."""
    code, answer = tcploop.json("model", "--era", "even-sequence", *DEFAULT, "--port", "33334")
    law = distribution("even-sequence", (32768, 60999), 33334)
    assert (code, answer["can_loop"], answer["candidates"], answer["mean"]) == (0, True, 14116, 7058.5)
    assert list(answer["quantiles"]) == ["5", "25", "50", "75", "95", "99"]
    assert [law.quantile(int(q) / 100) for q in answer["quantiles"]] == list(answer["quantiles"].values())


def test_model_at_a_pace(tcploop: Lab) -> None:
    """--pace 10 is the law of a client that tries ten times a second: 23.4 minutes on average."""
    args = ("model", "--era", "random-walk", *DEFAULT, "--port", "33334", "--pace", "10")
    code, answer = tcploop.json(*args)
    assert (code, answer["tries_per_second"], round(answer["mean"])) == (0, 10, 14067)
    assert "1,407 s at 10 tries a second" in tcploop.text(*args)[1]


def test_model_of_a_return(tcploop: Lab) -> None:
    """--start return is the law of the way back: exactly M tries under the even sequence."""
    args = ("--era", "even-sequence", "--range", "40000-40999", "--port", "40500", "--start", "return")
    code, answer = tcploop.json("model", *args)
    assert (code, answer["mean"], set(answer["quantiles"].values())) == (0, 500, {500})


@pytest.mark.parametrize(
    ("era", "port", "can_loop"),
    [("even-sequence", "33333", False), ("macos", "50000", False), ("freebsd", "33334", True)],
)
def test_model_without_a_mean(tcploop: Lab, era: str, port: str, can_loop: bool) -> None:
    """What never happens (exit code 1), or only by chance on the first try, has no mean and no high quantile: null."""
    code, answer = tcploop.json("model", "--era", era, *DEFAULT, "--port", port)
    assert (code, answer["can_loop"]) == (1 - can_loop, can_loop)
    assert answer["mean"] is answer["quantiles"]["99"] is None


@pytest.mark.private_network
def test_study(tcploop: Lab, tmp_path) -> None:
    """A study of a port that can loop and one that cannot: hits and mean of each, and the totals."""
    args = ("study", "--ports", "40500,40501", "--ranges", "40000-40999", "--samples", "6", "--workers", "1")
    code, answer = tcploop.json(*args, "--out", str(tmp_path / "study"))
    even, odd = answer["cells"]
    assert (code, answer["samples"], answer["stopped"]) == (0, 12, "complete")
    assert (even["port"], even["range"], even["client"]) == (40500, [40000, 40999], "same-socket")
    assert (even["samples"], even["hits"], odd["samples"], odd["hits"]) == (6, 6, 6, 0)
    assert even["mean"] >= 1 and odd["mean"] is None
    assert answer["tries"] > 6 * even["mean"]
    assert answer["seconds"] > 0


def test_study_goes_on(tcploop: Lab, tmp_path) -> None:
    """A file that exists is refused, but for --resume, which goes on with it."""
    args = ("study", "--ports", "40500", "--ranges", "40500-40500", "--samples", "3", "--out", str(tmp_path / "s"))
    code, first = tcploop.json(*args)
    refused, out, err = tcploop.text(*args, "--json")
    resumed, again = tcploop.json(*args, "--resume")
    assert (code, refused, resumed) == (0, 2, 0)
    assert (out, err.count("\n"), "it exists" in err) == ("", 1, True)
    assert again["cells"] == first["cells"]


def test_people_get_the_testbed_on_stderr(tcploop: Lab) -> None:
    """Without --json, one line on stderr says which testbed it is; the answer is on stdout."""
    code, out, err = tcploop.text("connect", *ONE)
    assert code == 0
    assert out.startswith("connected to itself: 127.0.0.1:40500 = 127.0.0.1:40500 after 1 try")
    assert err.count("\n") == 1
    assert "testbed (" in err and "40500-40500" in err


@pytest.mark.private_network
@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (("doctor",), ["the course works here", "private namespace"]),
        (("check", "33333", *DEFAULT), ["cannot loop", "parity            NO", "33333 is odd", "14,116 ports"]),
        (("connect", *ODD), ["no self-connection", "2,000 x ECONNREFUSED", "tcploop check 40501"]),
        (("capture", *ONE), ["SYN-RECEIVED", "ESTABLISHED", "x+1", "dropped: 0"]),
        (("probe",), ["era: ", "parity: ", "step  count"]),
        (("model", "--era", "rover", *DEFAULT, "--port", "33333"), ["can loop", "28,232", "14,116.5", "99 %"]),
        (("model", "--era", "random-walk", *DEFAULT, "--port", "33333"), ["cannot loop", "wrong parity"]),
    ],
    ids=lambda value: value[0],
)
def test_people_read_plain_lines(tcploop: Lab, args: tuple[str, ...], shown: list[str]) -> None:
    """Into a pipe goes plain text: answer and evidence in whole lines, no colours, no trailing blanks."""
    _, out, _ = tcploop.text(*args)
    assert [text for text in shown if text not in out] == []
    assert "\x1b" not in out
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
