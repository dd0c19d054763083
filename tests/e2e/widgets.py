"""How a learner uses each widget, with the keyboard: change something, start, look, cancel."""

from __future__ import annotations

import re

from playwright.sync_api import Locator


def press(cell: Locator, name: str) -> None:
    """Press a button as the keyboard does."""
    button = cell.get_by_role("button", name=name, exact=True)
    button.focus()
    button.press("Space")


def write(cell: Locator, name: str, text: str) -> None:
    """Write into a field and leave it with Tab."""
    field = cell.get_by_label(name, exact=True)
    field.fill(text)
    field.press("Tab")


def sees(cell: Locator, words: str | re.Pattern[str]) -> None:
    """Wait until the cell shows these words."""
    cell.get_by_text(words).first.wait_for()


def use_console(cell: Locator) -> None:
    """Dial a port that never loops, stop; dial another one, talk to yourself; write nonsense."""
    write(cell, "port to dial", "33333")
    press(cell, "Start")
    sees(cell, "Dialling")
    sees(cell, "It cannot succeed")
    press(cell, "Stop")
    sees(cell, "stopped by an interrupt")
    write(cell, "port to dial", "33334")
    press(cell, "Start")
    sees(cell, "Connected to itself")
    press(cell, "Send")
    sees(cell, "read b'hello, me' on the same socket")
    sees(cell, "PSH-ACK")
    write(cell, "ephemeral ports", "9-1")
    press(cell, "Start")
    sees(cell, "it is reversed")


def use_board(cell: Locator) -> None:
    """Reserve the port and dial; try what cannot be; switch everything off."""
    cell.get_by_label("the port is reserved", exact=True).press("Space")
    sees(cell, "ip_local_reserved_ports holds")
    press(cell, "Dial")
    sees(cell, "was never picked")
    cell.get_by_label("a server listens on the port", exact=True).press("Space")
    sees(cell, "a socket listens on")
    cell.get_by_label("a socket holds the port with bind()", exact=True).press("Space")
    sees(cell, "That cannot be")
    press(cell, "All off")
    sees(cell, "can loop: all")
    assert not cell.get_by_label("the port is reserved", exact=True).is_checked()


def use_explorer(cell: Locator) -> None:
    """Change the era, measure, stop in the middle; take the clients apart."""
    write(cell, "port to dial", "40502")
    cell.get_by_label("era", exact=True).select_option("even-sequence")
    sees(cell, "mean 250 tries")
    write(cell, "samples", "10000")
    press(cell, "Measure")
    sees(cell, re.compile("Measuring: [1-9]"))  # a sample at least, which stays after the stop
    press(cell, "Stop")
    sees(cell, "samples for each client")
    write(cell, "port to dial", "")
    sees(cell, "a TCP port is 1 to 65535")


def use_stepper(cell: Locator) -> None:
    """Step on, jump, go back to the beginning."""
    press(cell, "First")
    press(cell, "Next")
    sees(cell, "Moment 1 of")
    press(cell, "Last")
    sees(cell, "on to TIME-WAIT")
    write(cell, "moment", "2")
    sees(cell, "Moment 2 of")


def use_crossing(cell: Locator) -> None:
    """Let both hosts call, and deliver what is on the cable."""
    press(cell, "New hosts")
    press(cell, "Both call")
    cell.get_by_role("button", name="Deliver").first.wait_for()
    press(cell, cell.get_by_role("button", name="Deliver").first.inner_text())
    sees(cell, "SYN-RECEIVED")
    press(cell, "New hosts")
    cell.get_by_role("button", name="Deliver").first.wait_for(state="hidden")
    sees(cell, "the cable is empty")


USES = {
    "lab.loop_console(": use_console,
    "lab.precondition_board(": use_board,
    "lab.distribution_explorer(": use_explorer,
    "lab.state_stepper(": use_stepper,
    "lab.crossing_by_hand(": use_crossing,
}
