"""Where the files of a clip are."""

from pathlib import Path


def sheet_of(still: Path) -> Path:
    """Say where the sheet of a clip is, beside its still."""
    return still.with_name(f"{still.stem}-sheet.webp")
