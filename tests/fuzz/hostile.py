"""Makes what somebody sends who means no good: endless, and the same again for the same seed."""

import json
import os
import random
from collections.abc import Callable, Iterator, Mapping

from google.protobuf import message

FULL = os.environ.get("GTHULHU_FUZZ") == "full"
"""Whether to send all of it; otherwise a tenth."""
SEED = int(os.environ.get("GTHULHU_FUZZ_SEED", "1"))

TEXTS = (
    "",
    " ",
    "admin",
    "ADMIN",
    "admin ",
    "admin\x00",
    "\x00",
    "\r\nx-injected: 1",
    "' OR '1'='1' --",
    '{"$gt": ""}',
    "$where: sleep(10000)",
    "${jndi:ldap://192.0.2.1/a}",
    "%s%s%s%n",
    "{0.__class__.__mro__}",
    "../../../../etc/passwd",
    "<script>alert(1)</script>",
    "`id`; $(id) | id",
    "(a+)+$",
    "\ud800",
    "\udfff\ud800",
    "\u202eadmin",
    "a\u0300" * 40,
    "\ufdfa" * 30,
    "\U0001f469\u200d\U0001f680" * 10,
    "null",
    "true",
    "-1",
    "9" * 400,
    "1e309",
    "NaN",
    "__proto__",
    "Bearer ",
    "a@b@c",
    "x" * 254,
    "x" * 255,
    "x" * 5000,
)
VALUES: tuple[object, ...] = (
    *TEXTS,
    None,
    True,
    False,
    0,
    -1,
    1 << 31,
    1 << 63,
    1 << 64,
    1e308,
    float("inf"),
    float("nan"),
    [],
    {},
    [[]],
    {"$ne": None},
    {"": ""},
)
_JWT = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZG1pbiIsImF1ZCI6Imd0aHVsaHUtYXBpIn0."


class Hostile:
    """Draws hostile inputs of many kinds."""

    def __init__(self, name: str) -> None:
        """Take the name of what is attacked, so that each gets inputs of its own."""
        self._random = random.Random(f"{SEED}/{name}")  # noqa: S311 - to be repeated

    def text(self) -> str:
        """Return a text: a known evil, or characters from anywhere."""
        draw = self._random
        if draw.random() < 0.6:
            return draw.choice(TEXTS)
        length = draw.choice((1, 3, 12, 40, 300))
        return "".join(chr(draw.randrange(0x20, draw.choice((0x7F, 0x800, 0xD800)))) for _ in range(length))

    def number(self) -> int:
        """Return a number of 32 bits."""
        return self._random.getrandbits(32)

    def spoiled(self, content: bytes) -> bytes:
        """Return something that was right, with a part of it wrong."""
        draw = self._random
        spoiled = bytearray(content or b"\x00")
        for _ in range(draw.randrange(1, 5)):
            place = draw.randrange(len(spoiled) + 1)
            match draw.randrange(5):
                case 0:
                    spoiled[place:place] = draw.randbytes(draw.randrange(1, 9))
                case 1:
                    del spoiled[place : place + draw.randrange(1, 9)]
                case 2:
                    del spoiled[place:]
                case 3:
                    spoiled *= 2
                case _ if place < len(spoiled):
                    spoiled[place] ^= 1 << draw.randrange(8)
        return bytes(spoiled[:8192])

    def body(self, fields: tuple[str, ...]) -> bytes:
        """Return a JSON body for a route with these fields, or what looks like one."""
        draw = self._random
        made: object = {
            draw.choice((*fields, *TEXTS)) if draw.random() < 0.2 else field: draw.choice(VALUES) for field in fields
        }
        match draw.randrange(8):
            case 0:
                for _ in range(draw.choice((5, 90, 500))):
                    made = draw.choice(([made], {"a": made}))
            case 1:
                made = draw.choice(VALUES)
            case 2:
                return draw.randbytes(draw.choice((0, 1, 7, 64, 4096)))
            case 3:
                return self.spoiled(json.dumps(made).encode())
            case 4:
                return json.dumps(made).encode("utf-16")
            case 5:  # the last of two equal keys, or the first?
                return b"{" + b",".join([json.dumps(made).encode()[1:-1] or b'"a":1'] * 2) + b"}"
        return json.dumps(made).encode()

    def message(self, kind: type[message.Message]) -> bytes:
        """Return a protobuf message of a kind, or what looks like one."""
        draw = self._random
        made = kind()
        for field in kind.DESCRIPTOR.fields:
            if draw.random() < 0.7:
                text = self.text().encode("utf-8", "replace").decode()
                setattr(
                    made,
                    field.name,
                    text
                    if field.cpp_type == field.CPPTYPE_STRING and field.type != field.TYPE_BYTES
                    else text.encode(),
                )
        match draw.randrange(6):
            case 0:
                return draw.randbytes(draw.choice((1, 7, 64, 4096)))
            case 1 | 2:
                return self.spoiled(made.SerializeToString())
            case 3:  # groups that never end, or fields that nobody knows
                return b"\x0b" * draw.choice((1, 99, 200)) + made.SerializeToString()
        return made.SerializeToString()

    def token(self) -> str:
        """Return an access token, more or less; what a header can hold."""
        draw = self._random
        made = draw.choice((_JWT, self.text(), ".".join(draw.randbytes(9).hex() for _ in range(3)), "." * 100))
        if draw.random() < 0.3:
            made = self.spoiled(made.encode("utf-8", "replace")).decode("latin-1")
        return "".join(one for one in made if 0x21 <= ord(one) < 0x7F)[:4000]

    def headers(self) -> Mapping[str, str]:
        """Return headers that something might believe."""
        draw = self._random
        offered = {
            "authorization": f"{draw.choice(('Bearer', 'bearer', 'Basic', ''))} {self.token()}".strip(),
            "x-forwarded-for": draw.choice(("127.0.0.1", "::1, 10.0.0.1", self.token())),
            "x-request-id": self.token()[:200],
            "content-type": draw.choice(
                ("application/json", "text/xml", "application/grpc-web", self.token()[:60] or "x")
            ),
            "grpc-timeout": draw.choice(("1n", "99999999H", "x")),
            "x-http-method-override": "DELETE",
            "te": "trailers",
            "grpc-encoding": "gzip",
            "x-hostile-bin": "not base64!",
        }
        return {name: value for name, value in offered.items() if draw.random() < 0.3}

    def path(self) -> str:
        """Return a path with a query, as it goes over the wire."""
        draw = self._random
        start = draw.choice(
            ("/", "/api/v1/", "/api/v1/users/", "/swagger/", "/ui/", "/gthulhu.v1.SessionService/", "//", "/health")
        )
        rest = self.text()[:200].encode("utf-8", "replace")
        encoded = "".join(
            f"%{byte:02x}" if byte < 0x21 or byte > 0x7E or draw.random() < 0.2 else chr(byte) for byte in rest
        )
        return start + encoded.replace("#", "%23")

    def wire(self) -> bytes:
        """Return the beginning of a connection that is HTTP, or nearly."""
        line = b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
        smuggled = line.replace(b"content-length", b"transfer-encoding: chunked\r\ncontent-length")
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self._random.randbytes(64)
        return self.spoiled(self._random.choice((line, smuggled, preface, b"\x16\x03\x01\x02\x00" + line)))


def inputs(make: Callable[[], bytes], count: int) -> Iterator[bytes]:
    """Yield so many, or a tenth of them where not all are wanted."""
    for _ in range(count if FULL else count // 10):
        yield make()
