"""A sheet's results as JUnit XML, which CI servers read: a suite per model, a case per cell and per assertion.

The elements and attributes are those of the common schema (testsuites, testsuite, testcase; failure, error, skipped). A
cell that could not be drawn is an error, an assertion that does not hold a failure, one that cannot be checked skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree as ET

from bksdm_demo.evaluation.assertions import Answer
from bksdm_demo.evaluation.sheet_results import CellResult, ModelResult, SheetResults
from bksdm_demo.languages import ENGLISH, speaking
from bksdm_demo.parameters.result_json import timestamp
from bksdm_demo.records import Phase
from bksdm_demo.wording.comparison import shorten
from bksdm_demo.wording.outcomes import OUTCOMES

NAME_LENGTH = 80  # characters of a prompt in a case's name
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NOT_RUN = "It was not drawn: the sheet was stopped before. Run it again to go on."


@speaking(ENGLISH)
def write_junit(results: SheetResults, stream: BinaryIO) -> None:
    """Write the XML document."""
    root = ET.Element("testsuites", name=_text(results.record.sheet.name or "sheet"))
    suites = [_suite(results, column, model) for column, model in enumerate(results.models)]
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in suites):.6f}")
    root.extend(suites)
    ET.indent(root)
    ET.ElementTree(root).write(stream, encoding="utf-8", xml_declaration=True)


def _suite(results: SheetResults, column: int, model: ModelResult) -> ET.Element:
    suite = ET.Element("testsuite", name=_text(results.names[model.model]))
    cases = [case for row in results.rows for case in _cases(results, row.cells[column])]
    suite.set("tests", str(len(cases)))
    for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(element) is not None for case in cases)))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.6f}")
    suite.set("timestamp", timestamp(results.record.created).removesuffix("Z"))
    suite.extend(cases)
    return suite


def _cases(results: SheetResults, result: CellResult) -> Iterator[ET.Element]:
    """The case of the cell itself, which has its time, then one for each of its assertions."""
    row = results.record.sheet.rows[result.row]
    name = f"row {result.row + 1}: {row.label or shorten(row.request.prompt, NAME_LENGTH)}"
    drawn = _case(result, name, result.seconds or 0.0)
    if result.cell is None or not result.cell.phase.final:
        ET.SubElement(drawn, "skipped", message=NOT_RUN)
    elif result.cell.phase not in (Phase.DONE, Phase.BLOCKED):
        title, sentence = OUTCOMES[result.cell.phase]
        message = _text(result.cell.message or sentence)
        ET.SubElement(drawn, "error", message=message, type=_text(title)).text = message
    yield drawn
    for checked in result.checked:
        case = _case(result, f"{name} · {checked.name}", 0.0)
        sentence = _text(checked.sentence)
        if checked.answer is Answer.FAILS:
            ET.SubElement(case, "failure", message=sentence, type=checked.name).text = sentence
        elif checked.answer is Answer.UNKNOWN:
            ET.SubElement(case, "skipped", message=sentence)
        yield case


def _case(result: CellResult, name: str, seconds: float) -> ET.Element:
    return ET.Element("testcase", classname=_text(result.model), name=_text(name), time=f"{seconds:.6f}")


def _text(text: str) -> str:
    """The text with U+FFFD for what no XML document may hold."""
    return NOT_XML.sub("\ufffd", text)
