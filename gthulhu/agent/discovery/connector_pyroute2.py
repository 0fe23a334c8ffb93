"""The process connector decoded by pyroute2: selectable beside our own decoding, at many times its cost.

Only pyroute2's message classes are used: its sockets run an event loop of their own, inside ours that cannot be.
"""

from typing import Any

from pyroute2.netlink.connector import cn_proc

from gthulhu.agent.discovery import connector


class Pyroute2Connector(connector.Connector):
    """See `connector.ProcessEvents`."""

    name = "pyroute2"

    def __init__(self) -> None:
        """Subscribe."""
        super().__init__()
        self._marshal = cn_proc.ProcEventMarshal()

    def _decode(self, raw: bytes) -> connector.Event | None:
        message: dict[str, Any] = next(iter(self._marshal.parse(raw)), {})
        match message.get("event"):
            case "PROC_EVENT_FORK" if message["child_pid"] == message["child_tgid"]:
                return connector.Event(connector.Kind.FORK, pid=message["child_tgid"], parent=message["parent_tgid"])
            case "PROC_EVENT_EXEC":
                return connector.Event(connector.Kind.EXEC, pid=message["process_tgid"])
            case "PROC_EVENT_EXIT" if message["process_pid"] == message["process_tgid"]:
                return connector.Event(connector.Kind.EXIT, pid=message["process_tgid"])
        return None
