"""A zoo is a folder of files, on this machine or behind a plain http server."""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from tanq_monai.errors import InputError

TIMEOUT = 20  # seconds
SLOWEST = 20_000  # bytes in a second, of a server that is waited for
INDEX = "model_info.json"
MAX_INDEX = 4_000_000  # bytes; a version of a bundle takes 30 kB
_CHUNK = 1 << 20
_REMEDY = "give --zoo, the folder or the address of a zoo, and see that its server answers"


class Zoo:
    """Reads files of a zoo.

    A file may take the timeout, and besides as long as it takes at :data:`SLOWEST`; then it is given up.

    Args:
        address: a folder, or an http or https address of one.
        timeout: seconds without an answer, after which a server counts as dead.
    """

    def __init__(self, address: str, timeout: float = TIMEOUT) -> None:
        self.address = address.rstrip("/")
        self.timeout = timeout
        is_remote = self.address.startswith(("http://", "https://"))
        self._base = self.address if is_remote else Path(self.address).resolve().as_uri()

    def read_index(self) -> bytes:
        """The bytes of ``model_info.json``.

        Raises:
            InputError: when it cannot be read.
        """
        content = b"".join(self._chunks(INDEX, MAX_INDEX))
        if len(content) > MAX_INDEX:
            raise InputError(self.place(INDEX), "is too large for a list of bundles", "give the address of a zoo")
        return content

    def copy(self, name: str, path: Path, size: int, sha256: str) -> None:
        """Write the file ``name`` to ``path``, showing progress.

        Raises:
            InputError: when it cannot be read, or has another size in bytes or SHA-256 than given.
            OSError: when ``path`` cannot be written.
        """
        digest, read = hashlib.sha256(), 0
        with path.open("wb") as target, tqdm(total=size, desc=name, unit="B", unit_scale=True) as bar:
            for chunk in self._chunks(name, size):
                read += len(chunk)
                digest.update(chunk)
                target.write(chunk)
                bar.update(len(chunk))
        if read != size or digest.hexdigest() != sha256:
            problem = f"is not the file of {size} bytes and sha256 {sha256[:12]}... that {INDEX} tells"
            raise InputError(self.place(name), problem, "nothing was installed; fetch again, or tell who published it")

    def place(self, name: str) -> str:
        """Where a file of the zoo lies."""
        return f"{self.address}/{name}"

    def _chunks(self, name: str, size: int) -> Iterator[bytes]:
        """A file in pieces; one byte more than ``size`` at most."""
        address, end, left = f"{self._base}/{name}", time.monotonic() + self.timeout + size / SLOWEST, size + 1
        try:
            with urllib.request.urlopen(address, timeout=self.timeout) as source:
                if address.startswith("https:") and not source.url.startswith("https:"):
                    raise OSError(f"leads to {source.url}")
                while chunk := source.read1(min(_CHUNK, left)):  # what has come, however little
                    left -= len(chunk)
                    yield chunk
                    if time.monotonic() > end:
                        raise TimeoutError(f"comes with less than {SLOWEST} bytes a second")
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            told = getattr(reason, "strerror", None) or reason
            if isinstance(error, urllib.error.HTTPError):
                error.close()
                told = f"{error.code} {told}"
            raise InputError(self.place(name), f"cannot be read ({told})", _REMEDY) from error
