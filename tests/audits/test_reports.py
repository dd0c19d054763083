"""The files for pipelines: what they say, held against the schemas of their formats (schemas/)."""

from __future__ import annotations

import importlib.util
import json
import shlex
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as xml

import jsonschema
import pytest
import xmlschema
import yaml

import tcploop_lab as lab
from tcploop_lab.audits.audit import RECORD
from tcploop_lab.audits.reports import as_junit, as_sarif
from tcploop_lab.audits.verdicts import AuditVerdict
from tcploop_lab.cli import main
from tcploop_lab.cli.audit import audit as command
from tcploop_lab.results import stored

SCHEMAS = Path(__file__).with_name("schemas")
SARIF = jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text()))
JUNIT = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")
SOME = stored.load(RECORD, list[lab.AuditResult])[0]
NASTY = replace(
    SOME,
    command=("./a b", "--x=\udcff\x1b[31m", "<&\"'>", "]]>"),
    evidence=("it said \x00 and \ufffe",),
    output="red \x1b[31m & <b>\r\n\x08\ud800 ]]>",
    exit_status=-9,
    seconds=12345.6,
)


def outcome(report: bytes) -> str:
    """The child of the one test case that says how it went; "passed" if there is none."""
    (case,) = xml.fromstring(report).iter("testcase")
    return next((child.tag for child in case if child.tag != "system-out"), "passed")


@pytest.mark.parametrize("result", [SOME, NASTY, replace(SOME, exit_status=None, stopped="interrupted", evidence=())])
@pytest.mark.parametrize("verdict", AuditVerdict)
def test_each_verdict_is_valid_and_says_what_it_is(verdict: AuditVerdict, result: lab.AuditResult) -> None:
    """Both files hold to their schemas whatever was printed; only a program that is cleared passes."""
    result = replace(result, verdict=verdict)
    junit, sarif = as_junit(result), json.loads(as_sarif(result))
    JUNIT.validate(junit.decode())
    SARIF.validate(sarif)
    (run,) = sarif["runs"]
    passes = verdict in ("detected", "refused")
    assert outcome(junit) == ("passed" if passes else "failure" if verdict == "self-connected" else "error")
    assert [one["ruleId"] for one in run["results"]] == ([] if passes else [verdict])
    assert run["properties"]["verdict"] == verdict


@pytest.mark.parametrize("broken", [{"version": "2.0"}, {"runs": [{}]}, {"runs": [{"tool": {"driver": {}}}]}])
def test_the_schema_of_sarif_finds_what_is_wrong(broken: dict[str, object]) -> None:
    """A log with another version, without a tool, or with a tool without a name is refused."""
    with pytest.raises(jsonschema.ValidationError):
        SARIF.validate(json.loads(as_sarif(SOME)) | broken)


@pytest.mark.parametrize(("right", "wrong"), [(b" tests=", b" test="), (b"testcase", b"case"), (b'time="', b'time="x')])
def test_the_schema_of_junit_finds_what_is_wrong(right: bytes, wrong: bytes) -> None:
    """A report with an attribute or an element of another name, or a time that is none, is refused."""
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        JUNIT.validate(as_junit(SOME).replace(right, wrong).decode())


def test_a_finding_points_at_the_program_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place is the first word that names a file below the current folder, as a relative URI."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my client.py").touch()
    result = replace(SOME, command=("python3", str(tmp_path / "my client.py"), "1"), verdict=AuditVerdict.UNCLEAR)
    (finding,) = json.loads(as_sarif(result))["runs"][0]["results"]
    assert finding["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "my%20client.py"


@pytest.mark.private_network
def test_the_command_writes_both_and_replaces_them_with_force(tmp_path: Path) -> None:
    """--junit and --sarif in one run; a file that is there stays without --force, and the two cannot be one."""
    junit, sarif = str(tmp_path / "junit.xml"), str(tmp_path / "audit.sarif")
    words = ["audit", "--json", "--junit", junit, "--sarif", sarif]
    assert main([*words, "--", "true"]) == 1
    JUNIT.validate(junit)
    SARIF.validate(json.loads(Path(sarif).read_text()))
    assert outcome(Path(junit).read_bytes()) == "error"
    assert main([*words, "--", "true"]) == 2
    assert main([*words, "--force", "--", "true"]) == 1
    assert main(["audit", "--force", "--junit", junit, "--sarif", junit, "--", "true"]) == 2


def test_the_workflow_in_the_documents_runs_what_there_is() -> None:
    """It is YAML, and each option of its commands is one that the command and pytest have."""
    page = (Path(__file__).parents[2] / "docs" / "pipelines.md").read_text()
    workflow = yaml.safe_load(page.split("```yaml")[1].split("```")[0])
    (job,) = workflow["jobs"].values()
    commands = [shlex.split(step["run"]) for step in job["steps"] if "run" in step]
    (audit,) = (words for words in commands if words[:2] == ["tcploop", "audit"])
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in audit[2 : audit.index("--")] if word.startswith("-")} <= known
    assert audit[audit.index("--sarif") + 1] == job["steps"][-2]["with"]["sarif_file"]
    assert importlib.util.find_spec(commands[-1][-1]) is not None
