"""Reading the CSV files that people prepare: every bad line is found before anything is refused.

UTF-8 with or without BOM, or GB18030, as office software writes it. The first line names the columns, in any
order; blank lines are skipped.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

BYTES_MAX: Final = 16 * 1024 * 1024
CELL_CHARS_MAX: Final = 4096
_NUMBER_LIKE = re.compile(r"[+-][0-9() .-]*")

WHOLE_FILE: Final = 0
"""The line number of a problem that is the whole file's."""


class ImportRefused(Exception):
    """A file that changed nothing. `problems` names each bad line once (from 1; 0: the file) and why."""

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        by_line: dict[int, list[str]] = {}
        for line, why in problems:
            known = by_line.setdefault(line, [])
            if why not in known:  # a repeating event goes wrong the same way every time
                known.append(why)
        self.problems = [(line, "; ".join(by_line[line])) for line in sorted(by_line)]
        super().__init__("\n".join(f"line {line}: {why}" if line else why for line, why in self.problems))


@dataclass
class Findings:
    """What is wrong with a file so far."""

    problems: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, why: str) -> None:
        self.problems.append((line, why))

    def refuse_if_any(self) -> None:
        """Raises ImportRefused if something is wrong."""
        if self.problems:
            raise ImportRefused(self.problems)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file: its number, and each column's trimmed text."""

    line: int
    cells: dict[str, str]


def read_rows(content: bytes, columns: Sequence[str], rows_max: int, findings: Findings) -> list[Row]:
    """The rows that are readable; what is not goes to `findings`.

    Errors: ImportRefused at once where nothing can be read at all: encoding, size, header.
    """
    return checked_rows(_records(decoded(content), findings), columns, rows_max, findings)


def checked_rows(
    records: Iterator[tuple[int, list[str]]], columns: Sequence[str], rows_max: int, findings: Findings
) -> list[Row]:
    """As `read_rows`, of records that are read already; the first is the header."""
    line, header = next(records, (1, []))
    names = [name.strip().lower() for name in header]
    if sorted(names) != sorted(columns):
        raise ImportRefused(
            [(line, f"the header must name the columns {','.join(columns)}, not {','.join(names)!r}")]
        )
    rows = []
    for line, record in records:
        if not any(cell.strip() for cell in record):
            continue
        if len(record) != len(names):
            findings.add(line, f"has {len(record)} columns instead of {len(names)}")
            continue
        cells = {name: cell.strip() for name, cell in zip(names, record, strict=True)}
        bad = [f"{name}: {why}" for name, cell in cells.items() if (why := unfit_text(cell))]
        if bad:
            findings.add(line, "; ".join(bad))
        else:
            rows.append(Row(line, cells))
        if len(rows) > rows_max:
            raise ImportRefused([(WHOLE_FILE, f"more than {rows_max} lines")])
    if not rows and not findings.problems:
        findings.add(WHOLE_FILE, "no lines below the header")
    return rows


def decoded(content: bytes) -> str:
    """The file's text. Errors: ImportRefused for one that is too large or in another encoding."""
    if len(content) > BYTES_MAX:
        raise ImportRefused([(WHOLE_FILE, f"larger than {BYTES_MAX // 1024 // 1024} MiB")])
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ImportRefused([(WHOLE_FILE, "neither UTF-8 nor GB18030")])


def _records(text: str, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of the line it starts on; an unclosed quote ends the reading."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            findings.add(line, f"is no CSV: {error}")
            return


def unfit_text(cell: str) -> str | None:
    """Why a cell is refused: what a spreadsheet would run or a terminal obey is no name and no phone."""
    if len(cell) > CELL_CHARS_MAX:
        return f"longer than {CELL_CHARS_MAX} characters"
    for character in cell:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            return f"holds the control character U+{ord(character):04X}"
    if cell[:1] in {"=", "@"} or (cell[:1] in {"+", "-"} and not _NUMBER_LIKE.fullmatch(cell)):
        return f"looks like a spreadsheet formula: {cell[:40]!r}"
    return None
