"""What an audit finds: something that would be executed or read, and why it is refused if it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing.

    Attributes:
        file: name inside the bundle.
        place: of the thing in the file, "" for all of it.
        what: the thing.
        refused: why; None where it is allowed.
    """

    file: str
    place: str
    what: str
    refused: str | None = None

    def __post_init__(self) -> None:
        for name in ("file", "place", "what", "refused"):
            object.__setattr__(self, name, _printable(getattr(self, name)))

    @property
    def where(self) -> str:
        """File and place."""
        return f"{self.file} {self.place}".rstrip()

    def __str__(self) -> str:
        verdict = f"  REFUSED: {self.refused}" if self.refused else ""
        return f"{self.where}: {self.what}{verdict}"


def _printable(text: str | None) -> str | None:
    """One line without anything that a terminal would act on."""
    return text and "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class RefusedError(Exception):
    """Why something may not be."""
