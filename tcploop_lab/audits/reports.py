"""The files that pipelines read: an audit as a JUnit report, and as a SARIF log. Pure.

JUnit has a test case for the audited command: it passes where the program is cleared, fails where the program connected
to itself, and is an error where nothing is known. A SARIF log has one result unless the program is cleared; then it has
none. Formats: junit-10.xsd of Jenkins' xUnit plugin, and SARIF 2.1.0 of OASIS.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as xml

from .. import __version__
from .audit import AuditResult
from .verdicts import AuditVerdict

_PROJECT = "tcploop-lab"
_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2
_RULES = {
    AuditVerdict.SELF_CONNECTED: ("error", "The program took a connection to itself for one to a server."),
    AuditVerdict.UNCLEAR: ("warning", "What the program makes of a connection to itself cannot be told."),
    AuditVerdict.NEVER_TRIED: ("warning", "The program did not dial the port, so nothing was tested."),
}


def as_junit(result: AuditResult) -> bytes:
    """Return the audit as a JUnit report in UTF-8."""
    failed, unknown = result.verdict is AuditVerdict.SELF_CONNECTED, not result.ok
    counts = {"tests": "1", "failures": str(int(failed)), "errors": str(int(unknown and not failed)), "skipped": "0"}
    seconds = f"{result.seconds:.3f}"
    suite = xml.Element("testsuite", {"name": "tcploop audit", **counts, "time": seconds})
    name = _text(shlex.join(result.command))
    case = xml.SubElement(suite, "testcase", {"classname": "tcploop.audit", "name": name, "time": seconds})
    if unknown:
        first = f"{result.verdict}: {result.evidence[0]}" if result.evidence else result.verdict
        said = {"type": str(result.verdict), "message": _text(first)}
        told = xml.SubElement(case, "failure" if failed else "error", said)
        told.text = _text("\n".join((result.summary, *result.evidence)))
    xml.SubElement(case, "system-out").text = _text(result.output)
    whole = xml.Element("testsuites", {key: counts[key] for key in ("tests", "failures", "errors")})
    whole.append(suite)
    return bytes(xml.tostring(whole, encoding="UTF-8", xml_declaration=True))


def as_sarif(result: AuditResult) -> bytes:
    """Return the audit as a SARIF log in UTF-8."""
    rules = [
        {"id": verdict, "shortDescription": {"text": words}, "defaultConfiguration": {"level": level}}
        for verdict, (level, words) in _RULES.items()
    ]
    run = {
        "tool": {"driver": {"name": _PROJECT, "semanticVersion": __version__, "rules": rules}},
        "invocations": [_invocation(result)],
        "results": [] if result.ok else [_finding(result)],
        "properties": {"verdict": result.verdict, "sandbox": list(result.sandbox), "kernel": result.kernel},
    }
    log = {"$schema": _SARIF, "version": "2.1.0", "runs": [run]}
    return (json.dumps(log, indent=1, allow_nan=False) + "\n").encode()


FORMATS: Mapping[str, Callable[[AuditResult], bytes]] = {"junit": as_junit, "sarif": as_sarif}


def _invocation(result: AuditResult) -> dict[str, Any]:
    """The run of the program. `executionSuccessful` is about the audit: whether it came to its end."""
    status = result.exit_status
    ended: dict[str, Any] = {}
    if status is not None:
        ended = {"exitCode": status} if status >= 0 else {"exitSignalNumber": -status}
    words = shlex.join(result.command)
    return {"commandLine": words, "executionSuccessful": result.stopped != "interrupted", **ended}


def _finding(result: AuditResult) -> dict[str, Any]:
    level, _ = _RULES[result.verdict]
    place = {"artifactLocation": {"uri": _program(result)}, "region": {"startLine": 1}}
    command = hashlib.sha256("\0".join(result.command).encode(errors="surrogateescape")).hexdigest()
    return {
        "ruleId": result.verdict,
        "ruleIndex": list(_RULES).index(result.verdict),
        "level": level,
        "message": {"text": "\n".join((result.summary, *result.evidence))},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"command/v1": command},
    }


def _program(result: AuditResult) -> str:
    """What to open: the first word that names a file below the current folder, else the program's name."""
    here = Path.cwd()
    for word in result.command:
        path = Path(here, word)
        if "\0" not in word and path.is_file() and path.is_relative_to(here):
            return quote(str(path.relative_to(here)))
    return quote(result.command[0].lstrip("/"))


def _text(words: str) -> str:
    """Return the words without what XML cannot hold: control characters become \\x1b and the like."""
    return _NO_XML.sub(lambda found: f"\\x{ord(found[0]):02x}", words)
