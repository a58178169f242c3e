"""Download of a recording from a web address, over HTTPS alone, from a machine of the public internet.

A name is resolved once for each request, and the connection goes to an address that was checked: an answer that changes
in between has no effect. No proxy is used, whatever the environment names.
"""

import http.client
import logging
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from io import BufferedWriter
from pathlib import PurePosixPath

from spectrogram_worker.contract import ExitCode
from spectrogram_worker.contract.addresses import without_query
from spectrogram_worker.errors import WorkerError, input_invalid, input_not_found, invalid_spec
from spectrogram_worker.logs import megabytes
from spectrogram_worker.storage.copies import Copies, Download, no_room
from spectrogram_worker.storage.web_address import WebAddress, check_url, is_public, redirected
from spectrogram_worker.storage.web_connection import HttpConnection, Network

MOST_REDIRECTIONS = 3
CONTINUATIONS = 5
WAIT_SECONDS = 1.0
"""Before the first continuation; doubled for each further one."""
_PIECE_BYTES = 256 * 1024
_REDIRECTIONS = (301, 302, 303, 307, 308)

log = logging.getLogger(__name__)


class WebFile:
    """The file at a web address.

    Every method raises WorkerError: 64 for an address that may not be asked, 65 for one that leads to another such or
    to a file that cannot be used, 66 where there is no file or it is not for everyone, 75 for what may pass, else 74.
    """

    def __init__(self, address: str, allowed_hosts: Sequence[str], network: Network) -> None:
        self.title = without_query(address)
        self._address, self._allowed, self._network = address, tuple(allowed_hosts), network
        self._context = ssl.create_default_context()

    def download(self, path: PurePosixPath, copies: Copies) -> None:
        """Download the file into the copy of `path`; a transfer that breaks off is continued a few times."""
        with self._ask({}) as answer:
            total = self._whole_length(answer)
            tag = _validator(answer)
            with copies.download(self.title, total) as progress, copies.place(path).open("wb") as file:
                room = copies.room() if total is None else total
                complete = self._receive(answer, file, room, progress)
                for continuation in range(CONTINUATIONS):
                    if complete:
                        break
                    log.warning("%s broke off after %s: continued", self.title, megabytes(file.tell()))
                    _wait(WAIT_SECONDS * 2**continuation, progress)
                    complete = self._continue(file, total, tag, room, progress)
        if not complete:
            raise WorkerError(ExitCode.TRANSIENT_ERROR, f"{self.title} broke off {CONTINUATIONS + 1} times")

    def _continue(
        self, file: BufferedWriter, total: int | None, tag: str | None, room: int, progress: Download
    ) -> bool:
        """Ask for what is missing, or for all of it where the server cannot say that the file is still the same."""
        start = file.tell()
        headers = {"Range": f"bytes={start}-", "If-Range": tag} if start and tag and total is not None else {}
        try:
            with self._ask(headers) as answer:
                if answer.status == 206:
                    if answer.getheader("Content-Range") != f"bytes {start}-{(total or 0) - 1}/{total}":
                        raise self._changed()
                elif self._whole_length(answer) != total or (start and _validator(answer) != tag):
                    raise self._changed()
                elif start:
                    file.seek(0)
                    file.truncate()
                return self._receive(answer, file, room, progress)
        except WorkerError as error:
            if error.code is not ExitCode.TRANSIENT_ERROR:
                raise
            return False

    def _receive(self, answer: http.client.HTTPResponse, file: BufferedWriter, room: int, progress: Download) -> bool:
        """Write the body to `file`; returns whether all of it came."""
        expected = answer.length  # of the body, as http.client has it from Content-Length
        received = 0
        while expected is None or received < expected:
            try:
                # One read of the socket at a time: a server that sends a byte a minute does not keep a stop waiting.
                piece = answer.read1(_PIECE_BYTES if expected is None else min(_PIECE_BYTES, expected - received))
            except (OSError, http.client.HTTPException):
                return False
            if not piece:
                return expected is None
            received += len(piece)
            if file.tell() + len(piece) > room:
                raise no_room(self.title, f"more than {megabytes(room)}", room)
            file.write(piece)
            progress.add(len(piece))
        return True

    @contextmanager
    def _ask(self, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """The answer of the server that has the file, after redirections: 200, or 206 to a request for a part."""
        address, target = self._address, self._first_target()
        for _ in range(MOST_REDIRECTIONS + 1):
            with (
                closing(HttpConnection(target, self._connect(target))) as connection,
                closing(self._answer(connection, target, headers)) as answer,
            ):
                location = answer.getheader("Location") if answer.status in _REDIRECTIONS else None
                if location is None:
                    self._require_usable(answer, is_part="Range" in headers)
                    yield answer
                    return
            try:
                address = redirected(address, location)
                target = check_url(address, self._allowed)
            except ValueError as error:
                raise input_invalid(f"{self.title} leads to {error}: name another address") from None
        raise input_invalid(
            f"{self.title} leads through more than {MOST_REDIRECTIONS} redirections: name the address they end at"
        )

    def _first_target(self) -> WebAddress:
        try:
            return check_url(self._address, self._allowed)
        except ValueError as error:
            raise invalid_spec(f"input.url names {error}: {self.title}") from None

    def _connect(self, target: WebAddress) -> ssl.SSLSocket:
        """A connection to one of the host's addresses, after all of them were checked."""
        try:
            addresses = self._network.resolve(target.host, target.port)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise self._passing(f"the name {target.host} cannot be looked up now") from error
            raise input_not_found(f"{self.title}: there is no host {target.host}: check the address") from error
        except (OSError, UnicodeError) as error:
            raise self._passing(f"the name {target.host} cannot be looked up") from error
        if not addresses or not all(map(is_public, addresses)):
            raise input_invalid(
                f"{self.title} leads to {target.host}, which is not on the public internet: copy the recording into a"
                " store"
            )
        failure: OSError = OSError()
        for address in addresses:
            try:
                return self._secured(self._network.connect(address, target.port), target)
            except OSError as error:
                failure = error
        raise self._passing(f"{target.host} cannot be reached ({type(failure).__name__})") from failure

    def _secured(self, connection: socket.socket, target: WebAddress) -> ssl.SSLSocket:
        try:
            return self._context.wrap_socket(connection, server_hostname=target.host)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise input_invalid(
                f"{self.title}: the certificate of {target.host} is not to be trusted ({error.verify_message}):"
                " have it renewed, or have its authority added to the worker's"
            ) from None
        except OSError:
            connection.close()
            raise

    def _answer(
        self, connection: HttpConnection, target: WebAddress, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        try:
            return connection.ask(target, headers)
        except TimeoutError as error:
            raise self._passing(f"{target.host} does not answer in time") from error
        except http.client.HTTPException as error:
            if isinstance(error, ConnectionError):
                raise self._passing(f"{target.host} broke off ({type(error).__name__})") from error
            what = f"{self.title}: {target.host} does not answer as HTTP wants ({type(error).__name__})"
            raise WorkerError(ExitCode.IO_ERROR, what) from error
        except OSError as error:
            raise self._passing(f"{target.host} broke off ({type(error).__name__})") from error

    def _require_usable(self, answer: http.client.HTTPResponse, *, is_part: bool) -> None:
        status = answer.status
        if status in (404, 410):
            raise input_not_found(f"{self.title} is not there (HTTP {status}): check input.url")
        if status in (401, 403):
            raise input_not_found(
                f"{self.title} is not for everyone (HTTP {status}): have it opened, or copy it into a store"
            )
        if status == 429 or status >= 500:
            raise self._passing(f"the server answers with HTTP {status}")
        if status == 416 and is_part:
            raise self._changed()
        if status != 200 and not (status == 206 and is_part):
            raise WorkerError(ExitCode.IO_ERROR, f"{self.title}: the server answers with HTTP {status}")
        encoding = answer.getheader("Content-Encoding", "identity").strip().lower()
        if encoding != "identity":
            raise input_invalid(
                f"{self.title} comes compressed ({encoding[:20]}), which was not asked for: serve it as it is"
            )

    def _whole_length(self, answer: http.client.HTTPResponse) -> int | None:
        """Bytes of the file, None where it comes in chunks. Raises WorkerError 65 where its end could not be told."""
        if answer.length is None and not answer.chunked:
            raise input_invalid(
                f"{self.title}: the server does not say how long the file is: have it say Content-Length"
            )
        return answer.length

    def _changed(self) -> WorkerError:
        return input_invalid(f"{self.title} was changed while it was read: run the job again")

    def _passing(self, what: str) -> WorkerError:
        return WorkerError(ExitCode.TRANSIENT_ERROR, f"{self.title}: {what}")


def _validator(answer: http.client.HTTPResponse) -> str | None:
    """What names this version of the file for If-Range, which wants a strong one; None where there is none."""
    tag = answer.getheader("ETag")
    return tag if tag is not None and tag.startswith('"') else None


def _wait(seconds: float, progress: Download) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        progress.add(0)
        time.sleep(min(left, 0.5))
