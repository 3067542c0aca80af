"""Objects in stores such as S3, named by URLs; all that is known here of fsspec and its clients.

A store is asked directly each time: no listing is remembered. What a client says when it fails
may hold addresses and keys, so of an error only its kind and the store's own code are passed on.
Credentials come from where each client looks for them, never from a URL.
"""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Literal, Protocol, runtime_checkable

from restorecli.errors import PhotoReadError, PhotoWriteError, PlanError, RestoreError
from restorecli.photo.files import path_of, there

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
_CREDENTIALS = re.compile(r"^([A-Za-z0-9+.-]+://)([^/]*|[^/@]*:[^@]*)@", re.DOTALL)
_SCHEMES = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "memory": "memory"}
_CLIENTS = {"s3": "s3fs", "gs": "gcsfs", "memory": "fsspec"}
# Where each client's own errors are; those that are OSErrors need no line.
_ERRORS = {
    "s3": (("botocore.exceptions", "BotoCoreError"), ("botocore.exceptions", "ClientError")),
    "gs": (
        ("gcsfs.retry", "HttpError"),
        ("google.auth.exceptions", "GoogleAuthError"),
        ("aiohttp", "ClientError"),
    ),
    "memory": (),
}


@runtime_checkable
class Client(Protocol):
    """What is asked of fsspec, which has no types; names are keys, perhaps behind a slash."""

    def info(self, path: str) -> dict[str, object]:
        """Say of what type a name is."""

    def find(self, path: str, *, detail: Literal[True]) -> dict[str, dict[str, object]]:
        """Say of the object and everything below it what `info` says."""

    def cat_file(self, path: str) -> bytes:
        """Fetch an object."""

    def pipe_file(self, path: str, value: bytes, *, mode: Literal["overwrite", "create"]) -> object:
        """Put an object."""


@dataclass(frozen=True)
class RemotePath:
    """The URL of an object, or of everything below it; the few words of `pathlib` that are needed.

    Attributes:
        scheme: `"s3"`, `"gs"` or `"memory"`.
        key: Bucket and name of the object, without a slash at its end.
    """

    scheme: str
    key: str

    def __str__(self) -> str:
        """The URL."""
        return f"{self.scheme}://{self.key}"

    def __truediv__(self, relative: PurePath) -> "RemotePath":
        """Name an object below this one."""
        return RemotePath(self.scheme, f"{self.key}/{relative.as_posix()}")

    @property
    def name(self) -> str:
        """What follows the last slash."""
        return self.key.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """End of the name, from its last dot on."""
        return PurePosixPath(self.name).suffix

    def with_suffix(self, suffix: str) -> "RemotePath":
        """Name the object beside this one that ends otherwise."""
        stem = self.key[: len(self.key) - len(self.suffix)]
        return RemotePath(self.scheme, stem + suffix)

    def exists(self) -> bool:
        """Whether there is an object of this very name.

        Raises:
            PhotoReadError: The store cannot be asked.
        """
        with self._told(PhotoReadError, "cannot be looked up"):
            return self._is_there()

    def keys_below(self) -> list[str]:
        """Names of all objects below this one, from its end on; of the object itself, `""`.

        Raises:
            PhotoReadError: The store cannot be asked.
        """
        return list(self.sizes_below())

    def sizes_below(self) -> dict[str, int]:
        """Bytes of every object below this one, by the names of `keys_below`; errors as there."""
        with self._told(PhotoReadError, "cannot be searched"):
            try:
                objects = self._client().find(self.key, detail=True)
            except FileNotFoundError:
                return {}
        return {
            name.lstrip("/")[len(self.key) + 1 :]: int(str(info["size"] or 0))
            for name, info in objects.items()
            if not name.endswith("/")
        }

    def size(self) -> int | None:
        """Bytes of the object, None if there is none.

        Raises:
            PhotoReadError: The store cannot be asked.
        """
        with self._told(PhotoReadError, "cannot be looked up"):
            return (
                int(str(self._client().info(self.key)["size"] or 0)) if self._is_there() else None
            )

    def read_bytes(self) -> bytes:
        """Fetch the object.

        Raises:
            PhotoReadError: There is none, or it cannot be fetched.
        """
        with self._told(PhotoReadError, "cannot be read"):
            return bytes(self._client().cat_file(self.key))

    def write_bytes(self, data: bytes, *, overwrite: bool) -> None:
        """Put the object, whole or not at all.

        Without `overwrite` the store itself is asked to refuse when the name is taken, so two
        writers cannot both believe that they were first.

        Raises:
            PhotoWriteError: It exists, or cannot be put.
        """
        with self._told(PhotoWriteError, "could not be written"):
            if not overwrite and self._is_there():  # some stores take no conditions
                raise FileExistsError(str(self))
            self._client().pipe_file(self.key, data, mode="overwrite" if overwrite else "create")

    def _is_there(self) -> bool:
        try:
            return bool(self._client().info(self.key)["type"] == "file")
        except FileNotFoundError:
            return False

    def _client(self) -> "Client":
        try:
            import fsspec

            importlib.import_module(_CLIENTS[self.scheme])
            client: Client = fsspec.filesystem(self.scheme, use_listings_cache=False)
        except ImportError as error:
            raise PlanError(
                f"{self}: needs {_CLIENTS[self.scheme]}, which is not installed. "
                f"Use: pip install {_CLIENTS[self.scheme]}"
            ) from error
        return client

    @contextmanager
    def _told(self, kind: type[RestoreError], what: str) -> Iterator[None]:
        """Turn what the client raises into one line that holds no secret."""
        try:
            yield
        except RestoreError:
            raise
        except FileExistsError as error:
            raise PhotoWriteError(
                f"{self}: exists. Allow it with --overwrite, or choose another name."
            ) from error
        except _failures(self.scheme) as error:
            if _code(error) == "PreconditionFailed":
                raise PhotoWriteError(f"{self}: exists. Allow it with --overwrite.") from error
            raise kind(f"{self}: {what} ({_fact(error)}).") from error


Place = Path | RemotePath


def is_result(path: Place) -> bool:
    """Whether a result is there; a file without a byte is none. A store is not asked in vain."""
    try:
        if isinstance(path, RemotePath):
            return bool(path.size())
        return there(path) and not is_empty(path)
    except (OSError, RestoreError):
        return False


def is_empty(path: Place) -> bool:
    """Whether a file or object is there that has no byte, as programs leave it on full disks."""
    try:
        if isinstance(path, RemotePath):
            return path.size() == 0
        return path.is_file() and path.stat().st_size == 0
    except (OSError, RestoreError):
        return False


def is_url(text: str) -> bool:
    """Whether a word names a place as `scheme://…`."""
    return _URL.fullmatch(text) is not None


def masked(text: str) -> str:
    """A word as it may be shown: without what stands before an @ where a URL names the bucket."""
    return _CREDENTIALS.sub(r"\1…@", text)


def parse_place(text: str) -> Place:
    """Say what a word on the command line names; `file:///…` is a path like any other.

    Raises:
        PlanError: A URL of another kind of store, without a bucket, or with credentials in it.
    """
    match = _URL.fullmatch(text)
    if match is None:
        return path_of(text)
    scheme, rest = match["scheme"].lower(), match["rest"]
    bucket, _, below = rest.partition("/")
    if _CREDENTIALS.match(text):
        raise PlanError(
            f"{masked(text)}: holds credentials, which end in logs. "
            "Put them in the environment, as docs/scale.md says."
        )
    if scheme == "file":
        if bucket not in ("", "localhost"):
            raise PlanError(f"{text}: names the machine {bucket}. Write file:/// and a whole path.")
        return Path(f"/{below}")
    if scheme not in _SCHEMES:
        raise PlanError(f"{text}: {scheme} is no store known here. Use s3://, gs:// or file:///.")
    key = rest.strip("/") if scheme == "memory" else rest.rstrip("/")
    if not key or key.startswith("/"):
        raise PlanError(f"{text}: names no bucket. Write {scheme}://BUCKET/NAME.")
    return RemotePath(_SCHEMES[scheme], key)


def _failures(scheme: str) -> tuple[type[Exception], ...]:
    """What a client was seen to raise when a store refuses, is missing or out of reach."""
    kinds = [getattr(importlib.import_module(module), name) for module, name in _ERRORS[scheme]]
    return (OSError, *kinds)


def _fact(error: Exception) -> str:
    code = _code(error)
    if isinstance(error, FileNotFoundError):
        return "no such object or bucket"
    if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        return "access denied: credentials are missing or do not suffice"
    if isinstance(error, TimeoutError | ConnectionError) or "Connect" in type(error).__name__:
        return "the store cannot be reached"
    return f"the store says {code}" if code else f"the client raised {type(error).__name__}"


def _code(error: BaseException | None) -> str:
    """The store's own code, such as `SlowDown`, from the error or what caused it."""
    while error is not None:
        response = getattr(error, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        if isinstance(code, str) and re.fullmatch(r"\w{1,60}", code):
            return code
        error = error.__cause__
    return ""
