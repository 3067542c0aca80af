"""An S3 server on the loopback, and the bucket that tests put photos in."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.request import urlopen

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "pictures"
SECRET = "sesame-opens-nothing"


@dataclass(frozen=True)
class S3Server:
    """A running server.

    Attributes:
        endpoint: Its address, as in `"http://127.0.0.1:5000"`.
    """

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """What clients are told about it; worker processes need the same."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def put(self, key: str, data: bytes) -> None:
        """Put an object by another client than the one under test."""
        self._client().put_object(Bucket=BUCKET, Key=key, Body=data)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Every object below a prefix, by the rest of its key."""
        client = self._client()
        entries = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {
            entry["Key"].removeprefix(prefix): client.get_object(Bucket=BUCKET, Key=entry["Key"])[
                "Body"
            ].read()
            for entry in entries
        }

    def _client(self) -> "boto3.client":
        return boto3.client("s3")


@contextlib.contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Start a server with an empty bucket, and let this process's clients talk to it."""
    threaded = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    threaded.start()
    try:
        host, port = threaded.get_host_and_port()
        server = S3Server(f"http://{host}:{port}")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        forget_clients()
        urlopen(f"{server.endpoint}/moto-api/reset", data=b"").close()  # servers share their state
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield server
    finally:
        threaded.stop()
        forget_clients()


def forget_clients() -> None:
    """Let the next client read the environment anew."""
    fsspec.get_filesystem_class("s3").clear_instance_cache()
