"""Log records as JSON lines (or text for people) on stderr, each with the id of the request that it belongs to."""

import contextvars
import datetime
import json
import logging
import sys
from typing import Literal

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
"""The id of the request that the running task serves; empty outside of requests."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, requestId, whatever `extra` held, and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, object] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            entry["requestId"] = current
        entry |= _extra(record)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class TextFormatter(logging.Formatter):
    """One line for people: time, level, logger, message, and what `extra` held."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback below it."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC).astimezone()
        extra = _extra(record)
        if current := request_id.get():
            extra["requestId"] = current
        pairs = "".join(f" {key}={value}" for key, value in extra.items())
        line = f"{time:%H:%M:%S}.{time.microsecond // 1000:03} {record.levelname:<7} {record.name}: "
        line += record.getMessage() + pairs
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def configure(*, level: str = "info", format: Literal["json", "text"] = "json") -> None:  # noqa: A002 - the setting's name
    """Send this process's records of that level and above to stderr, in place of wherever they went."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}
