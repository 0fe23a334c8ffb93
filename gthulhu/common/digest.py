"""How manager and agent tell, in a few bytes, whether they mean the same set of intents."""

import hashlib
from collections.abc import Mapping


def of_versions(versions: Mapping[str, str]) -> str:
    """Return the digest of a set of intents, given as intent id → version: 32 hexadecimal digits.

    It is BLAKE2b-128 over `id NUL version LF` of all intents, by id.
    """
    digest = hashlib.blake2b(digest_size=16)
    for intent_id, version in sorted(versions.items()):
        digest.update(f"{intent_id}\0{version}\n".encode())
    return digest.hexdigest()
