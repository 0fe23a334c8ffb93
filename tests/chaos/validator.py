"""The guarantees, as pure functions from a history to sentences on what violates them; none where all is well.

`docs/explanation/consistency.md` says them in words.
"""

from collections.abc import Mapping, Sequence

from tests.chaos import history
from tests.chaos.history import Accepted, Acknowledged, Compared, Hello, Sent

History = Sequence[history.Event]


def ordered(events: History) -> list[str]:
    """Revisions that an agent is brought to never go back."""
    highest: dict[str, int] = {}
    found = []
    for one in events:
        if isinstance(one, Accepted):
            if one.revision < highest.get(one.node, 0):
                found.append(f"{one.node}: revision {one.revision} after {highest[one.node]}")
            highest[one.node] = max(one.revision, highest.get(one.node, 0))
    return found


def unique(events: History) -> list[str]:
    """A delta is taken in once, and brings no version that the agent holds already."""
    seen: set[tuple[str, str]] = set()
    held: dict[str, Mapping[str, str]] = {}
    found = []
    for one in events:
        if isinstance(one, Accepted):
            if (one.node, one.nonce) in seen:
                found.append(f"{one.node}: delta {one.nonce} twice")
            seen.add((one.node, one.nonce))
            before = held.get(one.node, {})
            found += [
                f"{one.node}: {key} {version} again"
                for key, (version, _) in one.set.items()
                if before.get(key) == version
            ]
            held[one.node] = one.held
    return found


def nothing_lost(events: History) -> list[str]:
    """What an agent took in is what a manager sent, and what a manager counts as taken in was."""
    sent: dict[str, tuple[dict[str, str], list[str]]] = {}
    taken = {one.nonce for one in events if isinstance(one, Accepted)}
    found = []
    for one in events:
        if isinstance(one, Sent):
            set_, removed = sent.setdefault(one.nonce, ({}, []))
            set_.update(one.set)
            removed.extend(one.removed)
    for one in events:
        if isinstance(one, Acknowledged) and one.nonce not in taken:
            found.append(f"{one.node}: delta {one.nonce} was acknowledged, and never taken in")
        if isinstance(one, Accepted):
            versions = {key: version for key, (version, _) in one.set.items()}
            if sent.get(one.nonce) != (versions, list(one.removed)):
                found.append(f"{one.node}: delta {one.nonce} is not what was sent")
    return found


def atomic(events: History) -> list[str]:
    """A delta comes in all of its chunks, in order, and changes what is held by exactly itself."""
    held: dict[str, Mapping[str, str]] = {}
    found = []
    for one in events:
        if isinstance(one, Accepted):
            count = len(one.chunks)
            if one.chunks != tuple((number, count) for number in range(1, count + 1)):
                found.append(f"{one.node}: delta {one.nonce} came as {one.chunks}")
            before = held.get(one.node, {})
            wanted = {key: version for key, version in before.items() if key not in one.removed}
            wanted |= {key: version for key, (version, _) in one.set.items()}
            if wanted != one.held:
                found.append(f"{one.node}: delta {one.nonce} does not lead to what is held")
            held[one.node] = one.held
    return found


def resumable(events: History) -> list[str]:
    """A session begins with what the agent held at the end of the last one, and brings differences from that only."""
    held: dict[str, Mapping[str, str]] = {}
    found = []
    for one in events:
        if isinstance(one, Hello):
            if held.get(one.node, {}) != one.held:
                found.append(f"{one.node}: forgot what it held")
        elif isinstance(one, Accepted):
            unknown = [key for key in one.removed if key not in held.get(one.node, {})]
            if unknown:
                found.append(f"{one.node}: delta {one.nonce} removes {unknown}, which it does not hold")
            held[one.node] = one.held
    return found


def never_rolled_back(events: History) -> list[str]:
    """No agent is brought back to an earlier version of an intent, whichever manager it talks to."""
    newest: dict[tuple[str, str], int] = {}
    found = []
    for one in events:
        for key, (_, mark) in one.set.items() if isinstance(one, Accepted) else ():
            if mark < newest.get((one.node, key), mark):
                found.append(f"{one.node}: {key} went back from {newest[one.node, key]} to {mark}")
            newest[one.node, key] = max(mark, newest.get((one.node, key), mark))
    return found


def one_in_flight(events: History) -> list[str]:
    """A session's next delta is sent after the answer to the one before it: nothing piles up."""
    flying: dict[str, str] = {}
    found = []
    for one in events:
        if isinstance(one, Sent):
            if flying.setdefault(one.session, one.nonce) != one.nonce:
                found.append(f"{one.node}: {one.nonce} was sent while {flying[one.session]} was on its way")
        elif isinstance(one, Acknowledged):
            flying.pop(one.session, None)
    return found


def agreed(events: History) -> list[str]:
    """What a manager takes for held is held."""
    return [f"{one.node}: another digest" for one in events if isinstance(one, Compared) and not one.equal]


def eventually_equal(held: Mapping[str, Mapping[str, str]], wanted: Mapping[str, Mapping[str, str]]) -> list[str]:
    """In the end every agent holds exactly what the matcher has for its node."""
    return [
        f"{node}: holds {len(held.get(node, {}))} intents, wanted are {len(its)}; they differ"
        for node, its in wanted.items()
        if held.get(node, {}) != its
    ]
