"""A network of one's own: a namespace behind a veth pair that can be cut and slowed down. Needs root."""

import contextlib
import errno
from collections.abc import Iterator

import pyroute2
from pyroute2 import netns

HOST = "10.211.7.1"
_GUEST = "10.211.7.2"
_ENDS = ("gthchaos0", "gthchaos1")


class Network:
    """The pair; the namespace's processes reach this machine at `HOST`."""

    def __init__(self, name: str) -> None:
        """Make it."""
        self.name = name
        self._outside = pyroute2.IPRoute()
        self._inside = pyroute2.NetNS(name)
        self._outside.link("add", ifname=_ENDS[0], kind="veth", peer={"ifname": _ENDS[1], "net_ns_fd": name})
        for route, end, address in ((self._outside, _ENDS[0], HOST), (self._inside, _ENDS[1], _GUEST)):
            index = route.link_lookup(ifname=end)[0]
            route.addr("add", index=index, address=address, prefixlen=24)
            route.link("set", index=index, state="up")
        self._index = self._inside.link_lookup(ifname=_ENDS[1])[0]

    def cut(self) -> None:
        """Let nothing through, without a word to anybody: connections are half-open from now on."""
        self._outside.link("set", ifname=_ENDS[0], state="down")

    def mend(self) -> None:
        """Let everything through."""
        self._outside.link("set", ifname=_ENDS[0], state="up")
        with contextlib.suppress(pyroute2.NetlinkError):
            self._inside.tc("del", index=self._index, root=True)

    def slow(self) -> None:
        """Delay and drop, where the kernel has netem; else let little through."""
        try:
            self._inside.tc("add", "netem", index=self._index, handle="1:", delay=200_000, jitter=100_000, loss=5)
        except pyroute2.NetlinkError as error:
            if error.code != errno.ENOENT:
                raise
            self._inside.tc("add", "tbf", index=self._index, handle="1:", rate="64kbit", burst=3000, latency="400ms")

    def close(self) -> None:
        """Remove it."""
        for index in self._outside.link_lookup(ifname=_ENDS[0]):
            self._outside.link("del", index=index)
        self._inside.close()
        self._outside.close()
        netns.remove(self.name)


@contextlib.contextmanager
def network(name: str = "gthulhu-chaos") -> Iterator[Network]:
    """Make a network, and remove it."""
    if name in netns.listnetns():
        netns.remove(name)
    made = Network(name)
    try:
        yield made
    finally:
        made.close()
