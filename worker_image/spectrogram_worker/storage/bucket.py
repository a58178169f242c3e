"""A bucket of an S3 store, from its prefix on, through boto3; its errors as what they mean for the job.

Works with Amazon S3 and with stores that are compatible with it: checksums that some of those do not know are sent and
asked for only where a request requires them.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import boto3
import botocore.session
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    ProxyConnectionError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.document import CREDENTIALS, Bucket
from spectrogram_worker.errors import WorkerError

TRANSFER_THREADS = 4
PART_BYTES = 8 * 2**20
_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 10, 60, 5
_TRANSFERS = 3
"""How often bytes are asked for. botocore tries again where no answer comes, but not where an answer breaks off."""
_PIECE_BYTES = 256 * 1024
_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "ExpiredToken", "InvalidToken"}
_MISSING = {"NoSuchKey", "404", "NotFound"}
_CHANGED = {"PreconditionFailed", "412"}
_BROKEN_OFF = (HTTPClientError, IncompleteReadError, ResponseStreamingError, HTTPError)
_UNREACHABLE = (
    *(ConnectionError, ProxyConnectionError, *_BROKEN_OFF),
    *(CredentialRetrievalError, MetadataRetrievalError),  # of a cloud's identity, over the network
)
_FULL = {"QuotaExceeded", "EntityTooLarge", "XMinioStorageFull", "InsufficientStorage"}


class Changed(Exception):  # noqa: N818 - what it means depends on who reads
    """The object is not the one that was looked at before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object: its key after the bucket's prefix, its bytes, the tag that names this version, when it was stored."""

    key: str
    size: int
    tag: str
    stored: datetime | None = field(default=None, compare=False)


def credentials_in(environment: Mapping[str, str], prefix: str) -> dict[str, str]:
    """What boto3 is to sign with; empty where the store names no Secret: then boto3 looks where it always does.

    A store that names one is never opened with anything else. Raises WorkerError 78 where a key is missing or empty.
    """
    found = {name: environment[prefix + name] for name in CREDENTIALS if prefix + name in environment}
    lacking = [name for name, optional in CREDENTIALS.items() if not optional and not found.get(name, "").strip()]
    if found and lacking:
        what = f"the store's Secret has no {' and no '.join(lacking)}, or an empty one"
        raise WorkerError(ExitCode.WORKER_CONFIG_ERROR, f"{what}: have the platform team fill it in")
    return {name.lower(): value for name, value in found.items() if value}


class BucketClient:
    """Requests to one bucket, safe for several threads. All keys are relative to the bucket's prefix.

    Every method raises WorkerError: 75 where the store does not answer or is overloaded, 74 where it answers with an
    error, `refused` (66 for the input, 73 for the output) where it does not let us in or has no such bucket.
    """

    def __init__(self, bucket: Bucket, credentials: Mapping[str, str], *, refused: ExitCode) -> None:
        self._bucket, self._refused = bucket, refused
        self._prefix = f"{bucket.prefix.strip('/')}/" if bucket.prefix.strip("/") else ""
        with self._errors("the bucket"):
            self._client: Any = _session(credentials).client(
                "s3",
                endpoint_url=bucket.endpoint,
                region_name=bucket.region or os.environ.get("AWS_REGION") or "us-east-1",
                **dict(credentials),
                config=Config(
                    defaults_mode="legacy",  # "auto" would ask the instance metadata service
                    ignore_configured_endpoint_urls=bool(credentials),
                    signature_version="s3v4",
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": _TRIES},
                    max_pool_connections=2 * TRANSFER_THREADS,
                    s3={"addressing_style": "path" if bucket.endpoint else "auto"},
                ),
            )

    @property
    def title(self) -> str:
        """The store as people know it."""
        return f"store {self._bucket.store}"

    def list(self, start: str) -> Iterator[Entry]:
        """The objects whose keys begin with `start`, in order of their keys."""
        for page in self._pages(start):
            yield from self._entries(page)

    def children(self, folder: str) -> Iterator[Entry | str]:
        """What lies directly in `folder`, which is empty or ends in a slash: objects, and keys of folders likewise."""
        for page in self._pages(folder, Delimiter="/"):
            yield from self._entries(page)
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"][len(self._prefix) :]

    def _pages(self, start: str, **options: str) -> Iterator[Mapping[str, Any]]:
        with self._errors(start or "the bucket"):
            yield from self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket.bucket, Prefix=self._prefix + start, **options
            )

    def _entries(self, page: Mapping[str, Any]) -> Iterator[Entry]:
        for item in page.get("Contents", ()):
            yield Entry(item["Key"][len(self._prefix) :], item["Size"], _tag(item), item.get("LastModified"))

    def look(self, key: str) -> Entry | None:
        """The object, or None where there is none."""
        with self._errors(key):
            try:
                found = self._client.head_object(Bucket=self._bucket.bucket, Key=self._prefix + key)
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
        return Entry(key, found["ContentLength"], _tag(found), found.get("LastModified"))

    def read(self, entry: Entry, start: int, count: int) -> bytes:
        """`count` bytes of the object from byte `start` on. Raises Changed where it is another by now."""
        content = bytearray(count)
        self.read_into(entry, start, memoryview(content))
        return bytes(content)

    def read_into(self, entry: Entry, start: int, content: memoryview) -> None:
        """Fill `content` with the object's bytes from `start` on. Raises Changed where it is another by now."""
        rest, asked = content, 0
        with self._errors(entry.key):
            while rest and asked < _TRANSFERS:
                rest = rest[self._receive(entry, start + len(content) - len(rest), rest) :]
                asked += 1
        if rest:
            raise WorkerError(ExitCode.TRANSIENT_ERROR, f"{self.title}: {entry.key} was cut off in transfer")

    def _receive(self, entry: Entry, start: int, content: memoryview) -> int:
        """Ask for the bytes of `content` once; returns how many came before the transfer broke off."""
        try:
            answer = self._client.get_object(
                Bucket=self._bucket.bucket,
                Key=self._prefix + entry.key,
                Range=f"bytes={start}-{start + len(content) - 1}",
                **({"IfMatch": f'"{entry.tag}"'} if entry.tag else {}),
            )
        except ClientError as error:
            if _code(error) in _CHANGED | _MISSING:
                raise Changed(entry.key) from error
            raise
        with closing(answer["Body"]) as body:
            if _tag(answer) != entry.tag:  # some stores do not know If-Match
                raise Changed(entry.key)
            if answer["ContentLength"] != len(content):
                what = f"{self.title}: {entry.key}: asked for {len(content)} bytes, the store sends"
                raise WorkerError(ExitCode.IO_ERROR, f"{what} {answer['ContentLength']}")
            received = 0
            try:
                while received < len(content):
                    received += body.readinto(content[received : received + _PIECE_BYTES])
            except _BROKEN_OFF:
                return received
        return received

    def upload(self, key: str, file: Path, media_type: str) -> None:
        """Store a file. A large one is uploaded in parts, side by side.

        boto3 is given the file's name: of an open file it would hold the parts in memory.
        """
        if file.stat().st_size <= PART_BYTES:
            with file.open("rb") as content:
                self.put(key, content, media_type)
            return
        transfer = TransferConfig(max_concurrency=TRANSFER_THREADS, multipart_chunksize=PART_BYTES)
        kind = {"ContentType": media_type}
        with self._errors(key), create_transfer_manager(self._client, transfer) as manager:
            manager.upload(str(file), self._bucket.bucket, self._prefix + key, extra_args=kind).result()

    def put(self, key: str, content: bytes | IO[bytes], media_type: str) -> None:
        """Store `content`, at once."""
        with self._errors(key):
            self._client.put_object(
                Bucket=self._bucket.bucket, Key=self._prefix + key, Body=content, ContentType=media_type
            )

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""
        for key in keys:
            with self._errors(key):
                self._client.delete_object(Bucket=self._bucket.bucket, Key=self._prefix + key)

    def abort_uploads(self, start: str) -> None:
        """Remove the parts of uploads that were begun and not completed, of objects whose keys begin with `start`."""
        with self._errors(start):
            place = {"Bucket": self._bucket.bucket}
            pages = self._client.get_paginator("list_multipart_uploads").paginate(**place, Prefix=self._prefix + start)
            for upload in (upload for page in pages for upload in page.get("Uploads", ())):
                self._client.abort_multipart_upload(**place, Key=upload["Key"], UploadId=upload["UploadId"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """What boto3 raises, as what it means for the job. Of its words, only the code is passed on."""
        try:
            yield
        except ClientError as error:
            code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in _REFUSED or status in (401, 403):
                what = f"{self.title} refuses {key} ({code}): its credentials may not do this"
                raise WorkerError(self._refused, what) from error
            if code == "NoSuchBucket":
                raise WorkerError(self._refused, f"{self.title}: its bucket does not exist") from error
            if code in _FULL or status == 507:
                raise WorkerError(ExitCode.OUTPUT_NO_SPACE, f"{self.title} has no space for {key}") from error
            passing = status >= 500 or status == 429 or code in ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed")
            kind = ExitCode.TRANSIENT_ERROR if passing else ExitCode.IO_ERROR
            raise WorkerError(kind, f"{self.title}: {key}: the store answers {status} {code}") from error
        except NoCredentialsError as error:
            raise WorkerError(self._refused, f"{self.title}: there are no credentials for it") from error
        except _UNREACHABLE as error:
            what = f"{self.title} cannot be reached, or broke off ({type(error).__name__})"
            raise WorkerError(ExitCode.TRANSIENT_ERROR, what) from error
        except (BotoCoreError, ValueError) as error:  # whose words may hold the endpoint
            what = f"{self.title}: {type(error).__name__}: its endpoint, region or bucket is not set up as boto3 wants"
            raise WorkerError(ExitCode.WORKER_CONFIG_ERROR, what) from error


def _session(credentials: Mapping[str, str]) -> boto3.session.Session:
    """With credentials: a session that reads no file and no profile of the machine's, whose keys could be others."""
    if not credentials:
        return boto3.session.Session()
    variables = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=variables))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _tag(answer: Mapping[str, Any]) -> str:
    """The entity tag; some stores put quotes around it, here or there."""
    return str(answer.get("ETag", "")).strip('"')
