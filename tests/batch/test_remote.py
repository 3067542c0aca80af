"""Tests of URLs and objects: what they name, what is refused, and that no secret is said."""

import builtins
import errno
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import fsspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from restorecli.batch import remote
from restorecli.batch.remote import RemotePath, parse_place
from restorecli.errors import PhotoReadError, PhotoWriteError, PlanError


@pytest.fixture
def store() -> Iterator[RemotePath]:
    """An empty store in memory."""
    client = fsspec.filesystem("memory")
    client.store.clear()
    yield RemotePath("memory", "pictures")
    client.store.clear()
    client.pseudo_dirs[:] = [""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b.jpg", Path("a/b.jpg")),
        ("c:/b.jpg", Path("c:/b.jpg")),
        ("file:///tmp/a b%20.jpg", Path("/tmp/a b%20.jpg")),
        ("FILE://localhost/tmp/a.jpg", Path("/tmp/a.jpg")),
        ("s3://bucket/a/b.jpg", RemotePath("s3", "bucket/a/b.jpg")),
        ("S3A://bucket/a//b/", RemotePath("s3", "bucket/a//b")),
        ("gcs://bucket", RemotePath("gs", "bucket")),
        ("memory:///a/b.jpg", RemotePath("memory", "a/b.jpg")),
    ],
)
def test_a_word_names_a_place(text: str, expected: object) -> None:
    assert parse_place(text) == expected
    assert remote.is_url(text) == ("://" in text)


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("http://host/a.jpg", "http is no store known here. Use s3://, gs:// or file:///."),
        ("simplecache::s3://b/a.jpg", None),
        ("file://host/a.jpg", "names the machine host."),
        ("s3://", "names no bucket. Write s3://BUCKET/NAME."),
        ("s3:///a.jpg", "names no bucket."),
        ("s3://key:sesame@bucket/a.jpg", "s3://…@bucket/a.jpg: holds credentials"),
    ],
)
def test_other_urls_are_refused_without_their_secrets(text: str, fact: str | None) -> None:
    if fact is None:
        assert parse_place(text) == Path(text)  # two colons make no scheme: a name like any other
        return
    with pytest.raises(PlanError) as refusal:
        parse_place(text)
    assert fact in str(refusal.value)
    assert "sesame" not in str(refusal.value)


def test_a_remote_path_has_the_words_of_pathlib() -> None:
    path = parse_place("s3://b/a.d/x.tar.png")
    assert isinstance(path, RemotePath)
    assert (path.name, path.suffix, str(path)) == ("x.tar.png", ".png", "s3://b/a.d/x.tar.png")
    assert path.with_suffix(".restored.png") == parse_place("s3://b/a.d/x.tar.restored.png")
    assert RemotePath("s3", "b/a.d/x").with_suffix(".png") == parse_place("s3://b/a.d/x.png")
    assert RemotePath("s3", "b") / PurePosixPath("c/d.jpg") == parse_place("s3://b/c/d.jpg")


def test_objects_are_put_fetched_and_listed(store: RemotePath) -> None:
    photo = store / PurePosixPath("a/b.jpg")
    assert not photo.exists()
    assert store.keys_below() == []
    photo.write_bytes(b"1", overwrite=False)
    assert photo.exists()
    assert not (store / PurePosixPath("a")).exists()
    assert store.keys_below() == ["a/b.jpg"]
    assert photo.keys_below() == [""]
    with pytest.raises(PhotoWriteError, match=r"^memory://pictures/a/b\.jpg: exists\. Allow"):
        photo.write_bytes(b"2", overwrite=False)
    assert photo.read_bytes() == b"1"
    photo.write_bytes(b"2", overwrite=True)
    assert photo.read_bytes() == b"2"
    with pytest.raises(PhotoReadError, match=r"cannot be read \(no such object or bucket\)"):
        (store / PurePosixPath("none.jpg")).read_bytes()


def test_a_second_writer_between_look_and_put_is_refused_by_the_store(
    store: RemotePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = store / PurePosixPath("b.jpg")
    photo.write_bytes(b"first", overwrite=False)
    monkeypatch.setattr(RemotePath, "_is_there", lambda _: False)
    with pytest.raises(PhotoWriteError, match="exists"):
        photo.write_bytes(b"second", overwrite=False)
    assert photo.read_bytes() == b"first"


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "key AKIA, sesame"}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "fact"),
    [
        (PermissionError("sesame"), "access denied: credentials are missing or do not suffice"),
        (NoCredentialsError(), "access denied"),
        (EndpointConnectionError(endpoint_url="http://u:sesame@h"), "the store cannot be reached"),
        (ConnectionResetError("sesame"), "the store cannot be reached"),
        (OSError(errno.EIO, "sesame"), "the client raised OSError"),
        (refused("SlowDown"), "the store says SlowDown"),
        (refused("<sesame>"), "the client raised ClientError"),
        (refused("PreconditionFailed"), "exists"),
    ],
)
def test_what_a_client_says_is_not_repeated(
    error: Exception, fact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Client:
        find = cat_file = None

        def info(self, _: str) -> dict[str, object]:
            raise FileNotFoundError

        def pipe_file(self, *_: object, **__: object) -> None:
            raise error

    monkeypatch.setattr(RemotePath, "_client", lambda _: Client())
    with pytest.raises(PhotoWriteError) as refusal:
        RemotePath("s3", "b/a.jpg").write_bytes(b"1", overwrite=False)
    assert str(refusal.value).startswith("s3://b/a.jpg: ")
    assert fact in str(refusal.value)
    assert "sesame" not in str(refusal.value)


def test_a_cause_may_hold_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.EIO, "sesame") from refused("InternalError")

    monkeypatch.setattr(RemotePath, "_client", fail)
    with pytest.raises(
        PhotoReadError, match=r"cannot be searched \(the store says InternalError\)"
    ):
        RemotePath("s3", "b").keys_below()


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_client_is_named_with_its_extra(
    scheme: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(PlanError) as refusal:
        RemotePath(scheme, "b/a.jpg").read_bytes()
    assert str(refusal.value) == (
        f"{scheme}://b/a.jpg: needs {package}, which is not installed. Use: pip install {package}"
    )


def test_google_cloud_storage_has_its_client_and_its_errors() -> None:
    from gcsfs.retry import HttpError

    assert HttpError in remote._failures("gs")
    assert builtins.OSError in remote._failures("memory")
