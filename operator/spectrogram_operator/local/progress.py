"""GET /progress of a worker on this machine."""

import asyncio

LONGEST_ANSWER = 4096
_LONGEST_HEAD = 4096
_SECONDS = 2.0


async def get_progress(port: int) -> bytes | None:
    """The body of the worker's answer, at most 4096 bytes; None where there is none in time."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await _get(port)
    except (OSError, TimeoutError):
        return None


async def _get(port: int) -> bytes | None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /progress HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b""
        while len(answer) <= _LONGEST_HEAD + LONGEST_ANSWER and (part := await reader.read(65536)):
            answer += part
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return body if b" 200 " in head.split(b"\r\n")[0] and 0 < len(body) <= LONGEST_ANSWER else None
