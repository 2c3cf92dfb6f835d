"""A zoo is a folder of files, on this machine or behind a plain http server."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from tanq_monai.errors import InputError

TIMEOUT = 20  # seconds without a byte
INDEX = "model_info.json"
MAX_INDEX = 10_000_000  # bytes
_CHUNK = 1 << 20


class Zoo:
    """Reads files of a zoo.

    Args:
        address: a folder, or an http or https address of one.
        timeout: seconds without an answer after which a server counts as dead.
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
        with self._open(INDEX) as source, self._told(INDEX):
            content = source.read(MAX_INDEX + 1)
        if len(content) > MAX_INDEX:
            raise InputError(self.place(INDEX), "is too large for a list of bundles", "give the address of a zoo")
        return content

    def copy(self, name: str, path: Path, size: int, sha256: str) -> None:
        """Write the file ``name`` to ``path``, showing progress.

        Raises:
            InputError: when it cannot be read, or has another size in bytes or SHA-256 than given.
        """
        digest, read = hashlib.sha256(), 0
        with self._open(name) as source, path.open("wb") as target, self._told(name), _progress(name, size) as bar:
            while chunk := source.read(min(_CHUNK, size - read + 1)):
                read += len(chunk)
                if read > size:
                    break
                digest.update(chunk)
                target.write(chunk)
                bar.update(len(chunk))
        again = "nothing was installed; fetch again, or tell who published it"
        if read != size:
            what = "more than" if read > size else f"{read} bytes of"
            raise InputError(self.place(name), f"is {what} the {size} bytes that {INDEX} tells", again)
        if digest.hexdigest() != sha256:
            problem = f"has another sha256 than {INDEX} tells: {digest.hexdigest()[:12]}..., not {sha256[:12]}..."
            raise InputError(self.place(name), problem, again)

    def place(self, name: str) -> str:
        """Where a file of the zoo lies."""
        return f"{self.address}/{name}"

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        with self._told(name):
            opened = urllib.request.urlopen(f"{self._base}/{name}", timeout=self.timeout)
        with opened:
            yield opened

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except urllib.error.HTTPError as error:
            raise InputError(self.place(name), f"is not there ({error.code} {error.reason})", _REMEDY) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            told = getattr(reason, "strerror", None) or str(reason)
            raise InputError(self.place(name), f"cannot be read ({told})", _REMEDY) from error


_REMEDY = "give --zoo, the folder or the address of a zoo, and see that its server answers"


def _progress(name: str, size: int) -> Any:
    return tqdm(total=size, desc=name, unit="B", unit_scale=True, unit_divisor=1024)
