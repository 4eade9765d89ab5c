"""Write the table of reason codes into docs/formats.md: `python tests/datasigil/report/codes_table.py`."""

from pathlib import Path

from datasigil.report.codes import all_reasons

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "formats.md"
START, END = "<!-- codes: python tests/datasigil/report/codes_table.py -->\n", "<!-- end of codes -->"


def table() -> str:
    """The table as Markdown."""
    rows = [
        f"| `{code}` | {one.decision} | {one.meaning} | {one.actor} | {one.command} | {'yes' if one.retry else 'no'} |"
        for code, one in all_reasons().items()
    ]
    return (
        "\n".join(
            ("| code | decision | meaning | who | what helps | again |", "| --- | --- | --- | --- | --- | --- |", *rows)
        )
        + "\n"
    )


def document() -> str:
    """The whole page with the table of now."""
    head, _, rest = DOCUMENT.read_text("utf-8").partition(START)
    _, _, tail = rest.partition(END)
    return f"{head}{START}{table()}{END}{tail}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf-8")
