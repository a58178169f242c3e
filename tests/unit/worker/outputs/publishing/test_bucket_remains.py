"""What attempts that are gone left in a bucket: whoever next writes there removes it, and nothing of a live attempt."""

import json
import os
import time
from typing import Any

import pytest

from harness.object_store import BUCKET
from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.storage.bucket import BucketClient
from unit.worker.outputs.publishing.bucket_site import ALL, Site, keys, marker

OTHER = "fm-band/.spectrogram-uid-9"
DAY = 86_400


def leave(site: Site, *, days: float, **changes: Any) -> None:
    """Another job's marker that was stored so long ago."""
    site.write(OTHER, json.dumps(marker(name="other", uid="uid-9", **changes)))
    os.utime(site.root / OTHER, (time.time() - days * DAY,) * 2)


def test_what_a_job_that_is_gone_had_uploaded_is_replaced(site: Site) -> None:
    leave(site, days=1.1)
    site.write("fm-band/spectrogram.h5", "half")
    site.write("fm-band/spectrogram.zarr/max/0.7", "half")
    site.write("fm-band/notes.txt")
    site.publish()
    assert site.objects() == sorted([*keys(*ALL), "fm-band/notes.txt"])
    assert (site.root / "fm-band/spectrogram.zarr/max/0.0").read_text() == "result"


def test_a_job_that_may_still_upload_stands_in_the_way(site: Site) -> None:
    leave(site, days=0.9)
    assert "uploads its results here, or died doing so less than a day ago" in site.refusal()
    assert site.objects() == [OTHER]


@pytest.mark.parametrize(
    ("days", "more", "stays"),
    [
        (1.1, {"softSeconds": 600}, False),
        (1.1, {"softSeconds": 5 * DAY}, True),
        (6.1, {"softSeconds": 5 * DAY}, False),
        (300, {}, True),  # a worker of an earlier version did not say how long it may take
        (400, {}, False),
    ],
)
def test_a_job_that_may_still_compute_keeps_its_marker(
    site: Site, days: float, more: dict[str, Any], stays: bool
) -> None:
    leave(site, days=days, uploading=False, **more)
    site.publish()
    assert site.objects() == sorted([*keys(*ALL), *([OTHER] if stays else [])])


def test_a_foreign_object_beside_the_marker_of_a_job_that_never_uploaded_stands_in_the_way(site: Site) -> None:
    leave(site, days=400, uploading=False)
    site.write("fm-band/spectrogram.h5")
    assert "holds spectrogram.h5" in site.refusal()
    assert (site.root / "fm-band/spectrogram.h5").read_text() == "mine"


def begin_upload(site: Site, path: str) -> Any:
    """An upload in parts that nobody completes; returns what lists all of them."""
    client = site.attempt()._client._client
    prefix = site.root.name
    begun = client.create_multipart_upload(Bucket=BUCKET, Key=f"{prefix}/{path}")
    client.upload_part(
        Bucket=BUCKET, Key=f"{prefix}/{path}", UploadId=begun["UploadId"], PartNumber=1, Body=b"x" * (5 * 2**20)
    )

    def unfinished() -> list[str]:
        found = client.list_multipart_uploads(Bucket=BUCKET, Prefix=f"{prefix}/").get("Uploads", [])
        return sorted(upload["Key"].removeprefix(f"{prefix}/") for upload in found)

    return unfinished


def test_the_parts_of_uploads_that_nobody_will_complete_are_removed(site: Site) -> None:
    begin_upload(site, "fm-band-2/spectrogram.npz")
    unfinished = begin_upload(site, "fm-band/spectrogram.npz")
    assert unfinished() == ["fm-band-2/spectrogram.npz", "fm-band/spectrogram.npz"]
    site.publish(attempt=2)
    assert unfinished() == ["fm-band-2/spectrogram.npz"]
    assert [key for key in site.objects() if key.startswith("fm-band/")] == keys(*ALL)


@pytest.mark.parametrize("code", [ExitCode.OUTPUT_NOT_WRITABLE, ExitCode.IO_ERROR, ExitCode.TRANSIENT_ERROR])
def test_a_store_that_does_not_list_unfinished_uploads_gets_the_results(
    site: Site, monkeypatch: pytest.MonkeyPatch, code: ExitCode
) -> None:
    def refuse(self: BucketClient, start: str) -> None:
        raise WorkerError(code, "the store answers 501 NotImplemented")

    monkeypatch.setattr(BucketClient, "abort_uploads", refuse)
    site.publish()
    assert site.objects() == keys(*ALL)
