"""Bytes that strangers send: requests that are right, and what becomes of them when they are cut, doubled and bent.

Everything is made from a `random.Random`, so that a seed says which input it was.
"""

from __future__ import annotations

from random import Random

#: Which of these stand in a request decides how it is framed.
FRAMING = (
    b"Content-Length: 7",
    b"Content-Length: 0",
    b"Content-Length: 8",
    b"Content-Length: 007",
    b"Content-Length: " + b"0" * 5000 + b"7",
    b"Content-Length: 0x7",
    b"Content-Length: 7,7",
    b"Content-Length:7",
    b"Content-Length : 7",
    b"Content-Length: +7",
    b"Content-Length: -1",
    b"Content-Length: 7 ",
    b"Content-Length:\t7",
    b"Content-Length: ",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: Chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding: x, chunked",
    b"Transfer-Encoding: ",
    b'Transfer-Encoding: "chunked"',
    b" Transfer-Encoding: chunked",
)
OTHERS = (
    b"Host: y",
    b"Host: ",
    b"Host: a b",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: upgrade",
    b"Upgrade: h2c",
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"Trailer: X-T",
    b"X-A: b\r\n c",
    b"X-A: b\r\n\tc",
    b"X-A: b\nX-B: c",
    b"X-A: b\rX-B: c",
    b"X-A: \x00",
    b"X-A: \xff\xfe",
    b"X-A",
    b": b",
    b"X A: b",
    b"X-A: " + b"a" * 300,
    b"X-(A): b",
    b"X_A: b",
    b"Content-Encoding: gzip",
    b"HTTP2-Settings: AA",
    b"TE: trailers",
)
CHUNKED = (
    b'7\r\n{"n":1}\r\n0\r\n\r\n',
    b'3\r\n{"n\r\n4\r\n":1}\r\n0\r\n\r\n',
    b"0\r\n\r\n",
    b'7;a=b\r\n{"n":1}\r\n0\r\n\r\n',
    b'07\r\n{"n":1}\r\n00\r\n\r\n',
    b'0x7\r\n{"n":1}\r\n0\r\n\r\n',
    b'7 \r\n{"n":1}\r\n0\r\n\r\n',
    b"-1\r\n\r\n0\r\n\r\n",
    b'7\n{"n":1}\n0\n\n',
    b'7\r\n{"n":1}0\r\n\r\n',
    b'7\r\n{"n":1}\r\n0\r\nX-T: a\r\n\r\n',
    b'8\r\n{"n":1}\r\n0\r\n\r\n',
    b"ffffffffffffffffffff\r\n",
    b'7\r\n{"n":1}\r\n0\r\nContent-Length: 9\r\n\r\n',
    b'6\r\n{"n":1}\r\n0\r\n\r\n',
    b'7;\r\n{"n":1}\r\n0;x\r\n\r\n',
    b'7;a="\r\n"\r\n{"n":1}\r\n0\r\n\r\n',
    b'+7\r\n{"n":1}\r\n0\r\n\r\n',
    b"g\r\n",
    b"\r\n",
)
BODIES = (b'{"n":1}', b"", b"\x00\xff\r\n\r\n", b"0\r\n\r\n", b"GET /h/x HTTP/1.1\r\nHost: z\r\n\r\n", *CHUNKED)
METHODS = (b"POST",) * 60 + (b"GET", b"HEAD", b"OPTIONS", b"PUT", b"post", b"CONNECT", b"PRI", b"", b"P OST", b"TRACE")
VERSIONS = (b"HTTP/1.1",) * 60 + (
    b"HTTP/1.0",
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/1.10",
    b"http/1.1",
    b"",
    b"X",
)
ENDS = (b"\r\n",) * 200 + (b"\n", b"\r", b"\r\r\n")


#: Ends a connection whose requests are all complete, so that nobody has to wait for its time to run out.
LAST = b"GET /h/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def requests(random: Random, path: bytes, signature: tuple[bytes, bytes]) -> bytes:
    """Return one to three requests for ``path``, most of them nearly right; ``signature`` fits the body of most."""
    return b"".join(_bent(random, _request(random, path, signature)) for _ in range(random.choice((1, 1, 2, 3))))


def _request(random: Random, path: bytes, signature: tuple[bytes, bytes]) -> bytes:
    if random.random() < 0.7:
        # As it should be, so that what is bent later is far on its way.
        lines, body = [b"Host: x", b"Content-Length: 7"], b'{"n":1}'
        if random.random() < 0.4:
            lines[1], body = b"Transfer-Encoding: chunked", random.choice(CHUNKED)
    else:
        lines = random.sample(FRAMING, random.choice((0, 1, 1, 1, 2))) + random.choice(([], [b"Host: x"], [b"Host: x"]))
        body = random.choice(BODIES)
    lines += random.sample(OTHERS, random.choice((0, 0, 0, 1, 2)))
    lines.append(b": ".join(signature))
    random.shuffle(lines)
    target = random.choice(
        (path,) * 12 + (b"/", b"*", path + b"?a=b", b"http://x" + path, path + b"/", path + b"#f", b"")
    )
    start = b" ".join((random.choice(METHODS), target, random.choice(VERSIONS)))
    return b"".join(line + random.choice(ENDS) for line in (start, *lines)) + random.choice(ENDS) + body


def _bent(random: Random, raw: bytes) -> bytes:
    """Cut, double, flip or insert a few bytes; most are left as they are."""
    bytes_ = bytearray(raw)
    for _ in range(random.choice((0,) * 8 + (1, 1, 2, 5))):
        at = random.randrange(len(bytes_) + 1)
        match random.randrange(5):
            case 0:
                del bytes_[at : at + random.choice((1, 1, 2, 20))]
            case 1:
                bytes_[at:at] = bytes_[at : at + random.choice((1, 2, 30))]
            case 2:
                bytes_[at:at] = random.choice(
                    (b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b"\xff", b"0", b"\x7f", b",")
                )
            case 3 if at < len(bytes_):
                bytes_[at] = random.randrange(256)
            case _:
                del bytes_[at:]
    return bytes(bytes_)
