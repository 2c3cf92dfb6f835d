"""What an audit finds: something that would be executed or read, and why it is refused if it is."""

from dataclasses import dataclass

from tanq_monai.errors import printable


@dataclass(frozen=True)
class Finding:
    """One thing.

    Attributes:
        file: name inside the bundle.
        place: of the thing in the file, "" for all of it.
        what: the thing.
        refused: why; None where it is allowed.
        remedy: what to do where it is refused.
    """

    file: str
    place: str
    what: str
    refused: str | None = None
    remedy: str = "do not run this bundle"

    def __post_init__(self) -> None:
        for name in ("file", "place", "what", "refused"):
            text = getattr(self, name)
            object.__setattr__(self, name, text and printable(text))

    @property
    def where(self) -> str:
        """File and place."""
        return f"{self.file} {self.place}".rstrip()

    def __str__(self) -> str:
        verdict = f"  REFUSED: {self.refused}" if self.refused else ""
        return f"{self.where}: {self.what}{verdict}"


class RefusedError(Exception):
    """Why something may not be."""
