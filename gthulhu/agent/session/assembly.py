"""Chunks of a delta are held back until they are complete: half a delta is never seen."""

import dataclasses

from gthulhu.agent import held as helds
from gthulhu.agent.domain import intent as intents
from gthulhu.agent.session import convert
from gthulhu.v1 import session_pb2


class ProtocolError(Exception):
    """The manager said something that the protocol does not allow here."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A whole delta."""

    nonce: str
    set: tuple[intents.Intent, ...]
    removed: frozenset[str]
    revisions: helds.Revisions


class Assembly:
    """Puts the chunks of one delta together."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._chunks: list[session_pb2.StreamIntentsResponse.Delta] = []

    def add(self, chunk: session_pb2.StreamIntentsResponse.Delta) -> Delta | None:
        """Take the next chunk; returns the delta when it was the last.

        Raises:
            ProtocolError: It is not the one that has to come next.
        """
        first = self._chunks[0] if self._chunks else chunk
        expected = (first.nonce, len(self._chunks) + 1, first.chunks)
        if (chunk.nonce, chunk.chunk, chunk.chunks) != expected or chunk.chunk > chunk.chunks:
            raise ProtocolError(
                f"chunk {chunk.chunk} of {chunk.chunks} of delta {chunk.nonce!r} came "
                f"where chunk {expected[1]} of {expected[2]} of {expected[0]!r} belongs"
            )
        self._chunks.append(chunk)
        if chunk.chunk < chunk.chunks:
            return None
        chunks, self._chunks = self._chunks, []
        return Delta(
            nonce=chunk.nonce,
            set=tuple(convert.intent(one) for part in chunks for one in part.set),
            removed=frozenset(one for part in chunks for one in part.removed),
            revisions=convert.revisions(chunk.revisions),
        )

    def require_complete(self) -> None:
        """Check that no delta is half here.

        Raises:
            ProtocolError: Something came between the chunks of a delta.
        """
        if self._chunks:
            raise ProtocolError(f"delta {self._chunks[0].nonce!r} was interrupted")
