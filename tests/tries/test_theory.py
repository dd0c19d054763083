"""The exact laws of the tries, against Markov chains written out and against what is known in closed form."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcploop_lab.ports.clients import ClientKind
from tcploop_lab.ports.eras import BY_NAME, ERAS
from tcploop_lab.tries.theory import distribution

from .chains import hit_times, moves

DEFAULT = (32768, 60999)


@pytest.mark.parametrize("era", ["random-walk", "socket-range", "perturbed-even-sequence", "rfc6056-5"])
@pytest.mark.parametrize("width", [2, 3, 4, 7, 8, 9, 30, 101])
def test_walks_agree_with_a_chain_moved_try_by_try(era: str, width: int) -> None:
    """First hit and return of a walk are those of the written-out Markov chain, to 1e-9."""
    circle = BY_NAME[era].candidates(distribution(era, (40000, 39999 + width), 40000).port_range)
    matrix = moves(circle, BY_NAME[era].steps, frozenset())
    hits = np.arange(circle.size) == 0
    for start, mass in (("random", np.full(circle.size, 1 / circle.size)), ("return", matrix[0])):
        expected = hit_times(matrix, hits, mass, 3000)
        law = distribution(era, (40000, 39999 + width), 40000, start=start)
        assert np.abs(law.pmf(np.arange(3001)) - expected).max() < 1e-9
        assert np.abs(law.cdf(np.arange(3001)) - np.cumsum(expected)).max() < 1e-9


@pytest.mark.parametrize("era", ["even-sequence", "random-walk", "socket-range", "rfc6056-3", "freebsd-13"])
@pytest.mark.parametrize("start", ["random", "return"])
def test_taken_ports_agree_with_a_chain_moved_try_by_try(era: str, start: str) -> None:
    """With ports taken, the law is that of the written-out chain; a return goes from hit to hit."""
    taken = frozenset({40002, 40004, 40006, 40007, 40008, 40009, 40030})
    law = distribution(era, (40000, 40050), 40010, "new-socket", start, busy=taken)
    circle = BY_NAME[era].candidates(law.port_range)
    hits = np.array([(circle.choose(x, taken) or (0,))[0] == 40010 for x in range(circle.size)])
    matrix = moves(circle, BY_NAME[era].steps, taken)
    mass = np.full(circle.size, 1 / circle.size)
    if start == "return":
        onward = np.where(hits[:, None], 0, matrix)
        visits = np.linalg.solve(np.eye(circle.size) - onward.T, mass) * hits
        mass = visits @ matrix / visits.sum()
    assert hits.sum() > 1
    assert np.abs(law.pmf(np.arange(501)) - hit_times(matrix, hits, mass, 500)).max() < 1e-9


def test_the_walk_of_the_default_range() -> None:
    """14116 candidates: mean about 8M/9 for a first hit, M for a return; 172,500 tries fail once in 10^6."""
    law = distribution("random-walk", DEFAULT, 33334)
    assert law.candidates == 14116
    assert law.mean == pytest.approx(8 * 14116 / 9, rel=1e-4)
    assert law.tries_needed(1 - 1e-6) == pytest.approx(172_500, rel=1e-3)
    assert distribution("random-walk", DEFAULT, 33334, start="return").mean == 14116
    assert [law.quantile(q) for q in (0.05, 0.5, 0.99)] == [706, 8723, 57568]


def test_the_means_are_those_of_the_probabilities() -> None:
    """The closed forms of the means agree with the sums over the probabilities."""
    n = np.arange(40_000)
    for start in ("random", "return"):
        law = distribution("random-walk", (40000, 41999), 40500, start=start)
        assert (n * law.pmf(n)).sum() == pytest.approx(law.mean, abs=1e-5)


def test_the_default_range_is_quick() -> None:
    """A walk never asked for before, to its 99.9 % quantile, is there in well under a second."""
    begin = time.process_time()  # a busy machine does not count
    tries = distribution("random-walk", (32766, 60997), 33334).quantile(0.999)
    assert time.process_time() - begin < 2  # 0.1 s measured
    assert tries == distribution("random-walk", DEFAULT, 33334).quantile(0.999)


@pytest.mark.parametrize(
    ("era", "candidates"),
    [
        ("rover", 28232),
        ("hashed-sequence", 28232),
        ("even-sequence", 14116),
        ("freebsd-13", 28232),
        ("rfc6056-4", 28232),
    ],
)
def test_a_sequence_is_uniform_and_returns_on_the_dot(era: str, candidates: int) -> None:
    """A sequence hits uniformly on 1 to M from a random start, and then every M tries exactly."""
    law = distribution(era, DEFAULT, 33334, "new-socket")
    back = distribution(era, DEFAULT, 33334, "new-socket", start="return")
    assert (law.candidates, law.mean, law.quantile(1)) == (candidates, (candidates + 1) / 2, candidates)
    assert law.pmf(np.array([0, 1, candidates, candidates + 1])) == pytest.approx(
        [0, 1 / candidates, 1 / candidates, 0]
    )
    assert (back.mean, back.pmf(candidates), back.cdf(candidates - 1)) == (candidates, 1, 0)


@pytest.mark.parametrize("era", ["geometric", "freebsd", "windows", "rfc6056-1", "rfc6056-2"])
def test_a_memoryless_kernel_is_geometric_from_any_start(era: str) -> None:
    """Without memory the chance of every try is 1/M, and first hits and returns are alike."""
    law = distribution(era, DEFAULT, 33334, "new-socket")
    back = distribution(era, DEFAULT, 33334, "new-socket", start="return")
    n = np.arange(1, 100)
    assert law.mean == pytest.approx(law.candidates)
    assert np.allclose(law.pmf(n), (1 - 1 / law.candidates) ** (n - 1) / law.candidates)
    assert (back.pmf(n) == law.pmf(n)).all()


@pytest.mark.parametrize(
    ("era", "port", "client", "reason"),
    [
        ("random-walk", 33333, "same-socket", "wrong parity"),
        ("random-walk", 33334, "bind-zero", "wrong parity"),
        ("even-sequence", 33333, "bind-no-port", "wrong parity"),
        ("random-walk", 80, "new-socket", "outside the range 32768-60999"),
        ("even-sequence", 33334, "socket-range", "no IP_LOCAL_PORT_RANGE"),
        ("freebsd", 32768, "new-socket", "lowest"),
    ],
)
def test_ports_that_cannot_loop_say_why(era: str, port: int, client: str, reason: str) -> None:
    """A port that cannot loop has probability 0 at every number of tries, and a reason."""
    law = distribution(era, DEFAULT, port, client)
    assert not law.can_loop
    assert reason in law.reason
    assert (law.chance(10**9), law.sf(10**9), law.ever) == (0, 1, 0)
    assert np.isnan(law.mean)
    with pytest.raises(ValueError, match=f"port {port}: it cannot loop"):
        law.quantile(0.5)


@pytest.mark.parametrize(
    ("era", "port", "client"),
    [
        ("hashed-sequence", 40501, "same-socket"),
        ("random-walk", 40501, "bind-zero"),
        ("random-walk", 40501, "socket-range"),
        ("socket-range", 40501, "same-socket"),
        ("random-walk", 40501, "bind-self"),
        ("random-walk", 80, "bind-self"),
        ("random-walk", 40500, "bind-no-port"),
        ("freebsd", 40501, "new-socket"),
    ],
)
def test_ports_that_can_loop_do(era: str, port: int, client: str) -> None:
    """Where the parity or the range does not stand in the way, the loop is certain in the end."""
    law = distribution(era, (40000, 40999), port, client)
    assert law.can_loop
    assert law.ever == 1
    assert law.chance(10**6) == pytest.approx(1)


@pytest.mark.parametrize("era", [era for era in ERAS if not BY_NAME[era].never])
@pytest.mark.parametrize("client", ["same-socket", "new-socket", "bind-zero", "bind-no-port", "bind-self"])
def test_a_range_of_one_port_makes_the_first_try_certain(era: str, client: str) -> None:
    """low == high loops on the first try whatever the kernel, the client and the parity."""
    for port in (40000, 40001):
        law = distribution(era, (port, port), port, client)
        assert (law.pmf(1), law.mean, law.quantile(1), law.candidates) == (1, 1, 1, 1)


def test_the_last_port_of_an_odd_width_never_loops_while_all_are_free() -> None:
    """The kernel makes the number of ports even: `high` of an odd width is tried only past taken ports."""
    law = distribution("random-walk", (40000, 40004), 40004)
    assert "odd width" in law.reason
    assert not law.can_loop
    assert distribution("random-walk", (40000, 40004), 40004, busy=[40002]).can_loop


def test_a_counter_can_be_caught_by_a_taken_port() -> None:
    """40000-40004 with 40002 held: from there the even sequence gives 40004 for ever, and never 40000."""
    law = distribution("even-sequence", (40000, 40004), 40000, busy=[40002])
    assert law.can_loop
    assert (law.ever, law.chance(1), law.chance(10), law.chance(10**6)) == (0.5, 0.5, 0.5, 0.5)
    assert np.isnan(law.mean)
    with pytest.raises(ValueError, match=r"stays at 0\.5"):
        law.quantile(0.6)


def test_busy_and_reserved_ports_never_loop() -> None:
    """A held port never loops; a reserved one does if the client binds to it itself."""
    assert "holds port 40000" in distribution("random-walk", (40000, 40099), 40000, busy=[40000]).reason
    assert "reserved" in distribution("random-walk", (40000, 40099), 40000, reserved=[40000]).reason
    assert distribution("random-walk", (40000, 40099), 40000, "bind-self", reserved=[40000]).ever == 1
    assert distribution("random-walk", (40000, 40099), 40000, "bind-self", busy=[40000]).ever == 0


def test_taken_ports_of_the_other_parity_change_nothing() -> None:
    """Ports that are no first candidates may be taken, even among many candidates."""
    free = distribution("random-walk", DEFAULT, 33334)
    law = distribution("random-walk", DEFAULT, 33334, reserved=range(33335, 33435, 2))
    assert (law.mean, law.quantile(0.9)) == (free.mean, free.quantile(0.9))


def test_the_first_port_past_a_block_of_taken_ones_loops_soonest() -> None:
    """Displaced tries pile up on the port after a block, so its mean is a fraction of M."""
    law = distribution("random-walk", (40000, 40199), 40020, busy=range(40000, 40020))
    assert law.mean < 0.3 * distribution("random-walk", (40000, 40199), 40020).mean


def test_taken_ports_among_too_many_candidates_name_the_way_out() -> None:
    """Where the exact law costs too much, the error says to simulate."""
    with pytest.raises(ValueError, match=r"1 port of 32768-60999 taken: .*14116; count with .*simulate\.tries"):
        distribution("random-walk", DEFAULT, 33334, busy=[40000])
    with pytest.raises(ValueError, match=r"step-width passes them at random.*simulate\.tries"):
        distribution("step-width", (40000, 40099), 40010, busy=[40000])


@pytest.mark.parametrize("client", ClientKind)
def test_macos_never_connects_to_itself(client: ClientKind) -> None:
    """XNU's tcp_connect() refuses equal names with EINVAL, whoever bound the port: no client ever loops."""
    law = distribution("macos", (50000, 50000), 50000, client)
    assert (law.can_loop, law.ever, law.chance(10**9)) == (False, 0, 0)
    assert "EINVAL on macOS (IPv4)" in law.reason


def test_freebsd_fails_on_the_second_connect_of_a_socket() -> None:
    """Same socket on FreeBSD: a chance on the first try, and none ever after."""
    law = distribution("freebsd-13", (10000, 65535), 50000, "same-socket")
    assert law.can_loop
    assert "ECONNREFUSED" in law.reason
    assert law.pmf(np.array([1, 2])) == pytest.approx([1 / 55536, 0])
    assert law.chance(10**6) == law.ever == 1 / 55536
    assert distribution("freebsd-13", (10000, 65535), 50000, "same-socket", start="return").ever == 0


@settings(max_examples=60)
@given(
    era=st.sampled_from(ERAS),
    low=st.integers(1024, 40000),
    width=st.integers(1, 60),
    place=st.integers(0, 59),
    start=st.sampled_from(["random", "return"]),
    q=st.floats(0.001, 0.999),
)
def test_the_four_questions_agree(era: str, low: int, width: int, place: int, start: str, q: float) -> None:
    """pmf, cdf, sf and quantile of any law tell the same story, and certain laws add up to 1."""
    law = distribution(era, (low, low + width - 1), low + place % width, "new-socket", start)
    n = np.arange(3000)
    assert law.cdf(n) == pytest.approx(np.cumsum(law.pmf(n)), abs=1e-9)
    assert law.sf(n) == pytest.approx(1 - law.cdf(n), abs=1e-9)
    assert law.sf(10**6) == pytest.approx(1 - law.ever, abs=1e-9)
    if law.can_loop:
        tries = law.quantile(q)
        assert law.cdf(tries) >= q - 1e-11
        assert tries == 1 or law.cdf(tries - 1) < q + 1e-11


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("walk", DEFAULT, 33334), "era 'walk': an era is one of rover"),
        (("rover", DEFAULT, 70000), "port 70000: a TCP port is 1 to 65535"),
        (("rover", (5, 4), 5), "range 5-4: it is reversed"),
        (("rover", DEFAULT, 33334, "telnet"), "client 'telnet'"),
        (("rover", DEFAULT, 33334, "same-socket", "now"), "start 'now': a start is one of random, return"),
    ],
)
def test_bad_arguments_say_what_is_allowed(arguments: tuple[object, ...], message: str) -> None:
    """Each bad argument is named, with what is allowed."""
    with pytest.raises(ValueError, match=message):
        distribution(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("q", [0, -0.1, 1.1, float("nan"), 1 - 1e-14])
def test_a_quantile_outside_its_bounds_is_refused(q: float) -> None:
    """No number of tries is certain for a walk, and chances lie between 0 and 1."""
    with pytest.raises(ValueError, match="chance"):
        distribution("random-walk", (40000, 40099), 40000).quantile(q)


@pytest.mark.parametrize(("era", "limit"), [("random-walk", 60), ("random-walk", 10**5), ("even-sequence", 30)])
def test_the_mean_of_the_hits_is_that_of_the_law_cut_off(era: str, limit: int) -> None:
    """Loops given up after a limit leave the quick ones: their mean is the sum over the law up to there."""
    law, n = distribution(era, (40000, 40099), 40000), np.arange(1, limit + 1)
    assert law.mean_of_hits(limit) == pytest.approx((n * law.pmf(n)).sum() / law.pmf(n).sum(), rel=1e-9)
    assert np.isnan(distribution("random-walk", (40000, 40099), 40001).mean_of_hits(limit))


def test_tries_are_whole_numbers() -> None:
    """Half a try is refused, and the answer to one number is one number."""
    law = distribution("random-walk", (40000, 40099), 40000)
    assert isinstance(law.cdf(3), float)
    with pytest.raises(ValueError, match="whole number"):
        law.cdf(1.5)


def test_asking_again_computes_nothing_again() -> None:
    """The same question, written differently, gives the same object."""
    assert distribution("random-walk", "40000-40099", "40000") is distribution(
        "random-walk", (40000, 40099), 40000, busy=iter([40000 + 5000])
    )
