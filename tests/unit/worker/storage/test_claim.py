"""Recordings in a claim: links are followed as the system follows them, and never to what lies outside."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.errors import WorkerError
from spectrogram_worker.storage.claim_store import ClaimStore
from unit.worker.recordings import says
from unit.worker.rights import obeying_permissions

INSIDE, OUTSIDE = b"in the claim", b"somebody's.."


def content(store: ClaimStore, path: str) -> bytes:
    """What the file at `path` holds."""
    with closing(store.open(PurePosixPath(path))) as file:
        found = np.empty(file.size, np.uint8)
        file.read(0, found)
    return found.tobytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A claim with the file `day/rec` inside, and a file of the same path outside."""
    for folder, text in (("mnt/claim", INSIDE), ("mnt/other", OUTSIDE)):
        (tmp_path / folder / "day").mkdir(parents=True)
        (tmp_path / folder / "day/rec").write_bytes(text)
    return tmp_path / "mnt/claim"


INWARD = {
    "to the file": ("link", "day/rec", "link"),
    "to its folder": ("link", "day", "link/rec"),
    "up and down again": ("day/link", "../day/./rec", "day/link"),
    "to the root": ("link", ".", "link/day/rec"),
    "to the folder that it is in": ("day/link", ".", "day/link/link/link/rec"),
    "out of the root and back": ("day/link", "../../claim/day/rec", "day/link"),
    "higher than the root and back": ("link", "../../mnt/claim", "link/day/rec"),
    "from the first folder of all": ("link", "{root}/day", "link/rec"),
    "above everything": ("link", "../" * 40 + "{root}/day", "link/rec"),
}


@pytest.mark.parametrize("way", INWARD)
def test_links_that_stay_inside_are_followed(root: Path, way: str) -> None:
    place, target, path = INWARD[way]
    (root / place).symlink_to(target.format(root=str(root).lstrip("/") if "../" in target else root))
    store = ClaimStore(root)
    assert content(store, path) == INSIDE
    assert store.is_file(PurePosixPath(path))
    assert store.names(PurePosixPath(path).parent) == sorted(os.listdir((root / path).parent))


OUTWARD = {
    "to a file": ("link", "{other}/day/rec", "link"),
    "to a folder": ("link", "../other", "link/day/rec"),
    "to the folder above": ("link", "..", "link/other/day/rec"),
    "to the first folder of all": ("link", "/", "link{other}/day/rec"),
    "through another link": ("link", "day/next", "link/day/rec"),
    "to a name that begins as the root's": ("link", "{root}2", "link/day/rec"),
}


@pytest.mark.parametrize("way", OUTWARD)
def test_links_that_lead_out_are_refused(root: Path, way: str) -> None:
    place, target, path = OUTWARD[way]
    other = root.parent / "other"
    (root / "day/next").symlink_to(other)
    (root.parent / "claim2").symlink_to(other)
    (root / place).symlink_to(target.format(root=root, other=other))
    path = path.format(other=other)
    assert (root / path).read_bytes() == OUTSIDE  # as the system follows it
    store, asked = ClaimStore(root), PurePosixPath(path)
    for ask in (store.open, store.require, store.names, store.is_file, store.is_folder):
        with pytest.raises(WorkerError) as caught:
            ask(asked)
        assert says(caught.value, ExitCode.INPUT_INVALID, path, "out of the claim")


def test_what_is_not_there_is_no_file_and_no_folder(root: Path) -> None:
    store = ClaimStore(root)
    for path in ("none", "day/none/rec", "day/rec/below", "day/rec/below/it", "x" * 256, "day/" + "x" * 256):
        asked = PurePosixPath(path)
        assert not store.is_file(asked)
        assert not store.is_folder(asked)
        for ask in (store.open, store.require, store.names):
            with pytest.raises(WorkerError) as caught:
                ask(asked)
            assert says(caught.value, ExitCode.INPUT_NOT_FOUND, f"there is no {path}")


@pytest.mark.parametrize(
    ("closed", "mode", "path", "words"),
    [
        ("day", 0o600, "day/rec", "day/rec cannot be read: day has the mode 0600"),
        ("day", 0o600, "link", "link cannot be read: day has the mode 0600"),
        ("day", 0o300, "day", "day cannot be read: it has the mode 0300"),
        ("day/rec", 0o200, "day/rec", "day/rec cannot be read: it has the mode 0200"),
        (".", 0o600, "day/rec", "day/rec cannot be read: . has the mode 0600"),
    ],
)
def test_whose_permission_is_missing_is_said(root: Path, closed: str, mode: int, path: str, words: str) -> None:
    """Of the file, of a folder that is to be listed, of a folder on the way, which a link may lead through."""
    (root / "link").symlink_to("day/rec")
    store, status = ClaimStore(root), (root / closed).stat()
    (root / closed).chmod(mode)
    ask = store.names if path == "day" else store.open
    with obeying_permissions(), pytest.raises(WorkerError) as caught:
        ask(PurePosixPath(path))
    whose = f"belongs to user {status.st_uid}, group {status.st_gid}: give user {os.getuid()} "
    permission = "search permission" if closed in ("day", ".") and path != "day" else "read permission"
    assert says(caught.value, ExitCode.INPUT_INVALID, words, whose + permission)
    (root / closed).chmod(0o700)


def test_a_root_that_may_not_be_listed_is_gone_through(root: Path) -> None:
    root.chmod(0o100)
    with obeying_permissions():
        assert content(ClaimStore(root), "day/rec") == INSIDE


def test_nothing_stays_open(root: Path) -> None:
    (root / "link").symlink_to("day")
    (root / "out").symlink_to("..")
    store, before = ClaimStore(root), os.listdir("/proc/self/fd")
    assert content(store, "link/../link/rec") == INSIDE
    for path in ("link/none", "out/none", "day"):
        with pytest.raises(WorkerError):
            store.open(PurePosixPath(path))
    assert os.listdir("/proc/self/fd") == before


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    """While within, a thread lets the two change places without end, with a moment where neither is there."""
    stop = threading.Event()

    def swap() -> None:
        aside, turn = one.with_name("aside"), 0
        while not stop.is_set() or turn % 2:
            one.rename(aside)
            other.rename(one)
            aside.rename(other)
            turn += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("what", ["day", "day/rec"])
def test_whoever_swaps_a_name_for_a_link_has_nothing_read_outside(root: Path, what: str) -> None:
    """Checked first and opened then, hundreds of some thousands of opens went outside."""
    store, link = ClaimStore(root), root / "link"
    link.symlink_to(root.parent / "other" / what)
    seen: list[bytes | ExitCode] = []
    with swapping(root / what, link):
        while len(seen) < 1000 or min(seen.count(INSIDE), seen.count(ExitCode.INPUT_INVALID)) < 20:
            try:
                seen.append(content(store, "day/rec"))
            except WorkerError as error:
                seen.append(error.code)
    assert set(seen) <= {INSIDE, ExitCode.INPUT_INVALID, ExitCode.INPUT_NOT_FOUND, ExitCode.IO_ERROR}


@pytest.mark.parametrize("what", ["day", "day/rec"])
def test_a_name_that_becomes_a_link_before_any_call_of_the_system_leads_nowhere(
    root: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above, without luck: the name and the link change places before the first call, the second, and so on."""
    link, calls, at = root / "link", 0, 0
    link.symlink_to(root.parent / "other" / what)

    def swapping_before(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                (root / what).rename(root / "aside")
                link.rename(root / what)
            return call(*arguments, **options)

        return called

    while calls == at:
        at, calls, found = at + 1, 0, INSIDE
        with monkeypatch.context() as patch:
            for name in ("stat", "open", "fstat", "readlink"):
                patch.setattr(os, name, swapping_before(getattr(os, name)))
            with suppress(WorkerError):
                found = content(ClaimStore(root), "day/rec")
        assert found == INSIDE
        if calls >= at:
            (root / what).rename(link)
            (root / "aside").rename(root / what)
            calls = at
    assert at > 3
