"""Keeps the catalogues: adds new messages to every `.po` file, drops those that are gone, compiles `.mo` files."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from bksdm_demo.languages import ENGLISH, LOCALES, NAMES
from translations.extract import messages

DATE = datetime(2026, 1, 1, tzinfo=UTC)  # in the header of every compiled file, so that it has no other
WRITTEN = tuple(code for code in NAMES if code != ENGLISH)
HEADER = "# The messages of the demo. CONTRIBUTING.md says how to add and translate them."


def template() -> Catalog:
    """Return all messages of the sources, without translations."""
    made = Catalog(project="bksdm-demo", header_comment=HEADER, fuzzy=False)
    for one in messages():
        flags = ["python-brace-format"] if "{" in one.text else []
        made.add((one.text, one.many) if one.many else one.text, locations=[(one.file, 0)], flags=flags)
    return made


def read(code: str) -> Catalog:
    """Return the stored catalogue of a language; an empty one before the first run."""
    path = LOCALES / f"{code}.po"
    if not path.exists():
        return Catalog(locale=code)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def updated(code: str, source: Catalog) -> Catalog:
    """Return a language's catalogue with exactly the messages of the sources."""
    old, new = read(code), Catalog(locale=code, project="bksdm-demo", header_comment=HEADER, fuzzy=False)
    for message in source:
        if message.id:
            before = old.get(message.id if isinstance(message.id, str) else message.id[0])
            same = before is not None and before.id == message.id
            new.add(
                message.id,
                before.string if before is not None and same else None,
                locations=message.locations,
                flags=message.flags,
                user_comments=before.user_comments if before is not None and same else (),
            )
    return new


def po_file(catalog: Catalog) -> bytes:
    """Return the text of a `.po` file: messages in alphabetical order with their files, nothing about today."""
    stream = io.BytesIO()
    write_po(stream, catalog, width=120, sort_output=True, include_lineno=False, omit_header=False)
    lines = stream.getvalue().decode().splitlines(keepends=True)
    dated = ('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By', '"Report-Msgid', '"Last-Translator')
    return "".join(line for line in lines if not line.startswith(dated)).encode()


def mo_file(catalog: Catalog) -> bytes:
    """Return the compiled catalogue."""
    stream = io.BytesIO()
    with_fixed_header = Catalog(
        locale=catalog.locale, fuzzy=False, header_comment="", creation_date=DATE, revision_date=DATE
    )
    for message in catalog:
        if message.id:
            with_fixed_header.add(message.id, message.string)
    write_mo(stream, with_fixed_header)
    return stream.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """Return the messages without a translation."""
    return [str(message.id) for message in catalog if message.id and not all(strings_of(message))]


def strings_of(message: Message) -> tuple[str, ...]:
    """Return the translations of a message: one for each plural form."""
    return tuple(map(str, message.string)) if isinstance(message.string, tuple) else (str(message.string or ""),)


def main() -> int:
    """Write every catalogue. Returns 1 if a message lacks a translation, and names how many."""
    source, lacking = template(), 0
    for code in WRITTEN:
        if not (LOCALES / f"{code}.po").exists() and code not in sys.argv:
            continue
        catalog = updated(code, source)
        (LOCALES / f"{code}.po").write_bytes(po_file(catalog))
        (LOCALES / f"{code}.mo").write_bytes(mo_file(read(code)))
        lacking += len(missing(catalog))
        print(f"{code}: {len(catalog)} messages, {len(missing(catalog))} without a translation")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
