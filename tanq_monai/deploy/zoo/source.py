"""A zoo is a folder of files, on this machine or behind a plain http server."""

import hashlib
import http.client
import io
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tanq_monai.errors import InputError

TIMEOUT = 20  # seconds
SLOWEST = 20_000  # bytes in a second, of a server that is waited for
INDEX = "model_info.json"
MAX_INDEX = 1_000_000  # bytes
_CHUNK = 1 << 20


class Zoo:
    """Reads files of a zoo.

    A file may take the timeout, and besides as long as it takes at :data:`SLOWEST`; then it is given up.

    Args:
        address: a folder, or an http or https address of one.
        timeout: seconds until an answer begins, and between two bytes, after which a server counts as dead.
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
        with path.open("wb") as target, _progress(name, size) as bar:
            for chunk in self._chunks(name, size):
                read += len(chunk)
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

    def _chunks(self, name: str, size: int) -> Iterator[bytes]:
        """A file in pieces; one byte more than ``size`` at most."""
        end = time.monotonic() + self.timeout + size / SLOWEST
        left = size + 1
        with self._told(name), _opened(f"{self._base}/{name}", self.timeout) as source:
            while chunk := source.read1(min(_CHUNK, left)):  # what has come, however little
                left -= len(chunk)
                yield chunk
                if time.monotonic() > end:
                    raise TimeoutError(f"comes with less than {SLOWEST} bytes a second")

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except urllib.error.HTTPError as error:
            error.close()
            raise InputError(self.place(name), f"is not there ({error.code} {error.reason})", _REMEDY) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            told = getattr(reason, "strerror", None) or str(reason)
            raise InputError(self.place(name), f"cannot be read ({told})", _REMEDY) from error


_REMEDY = "give --zoo, the folder or the address of a zoo, and see that its server answers"


class _ToTheWeb(urllib.request.HTTPRedirectHandler):
    """Follows a server to others by http or https, and from https to no less."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if newurl.partition(":")[0].lower() not in {"https", req.type}:
            raise urllib.error.HTTPError(newurl, code, f"leads to {newurl}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opened(address: str, timeout: float) -> io.BufferedIOBase:
    """What urllib opens within ``timeout``: by itself it waits as long for every single byte of the answer's head."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.build_opener(_ToTheWeb).open(address, timeout=timeout))
        except Exception as error:  # raised below, where someone waits for it
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer: io.BufferedIOBase | Exception = answers.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError("timed out") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _progress(name: str, size: int) -> Any:
    return tqdm(total=size, desc=name, unit="B", unit_scale=True, unit_divisor=1024)
