"""Channels and servers, with the keepalive and buffers that all of them need.

A peer that is frozen, or cut off without a word, is noticed after `KEEPALIVE_MS` and `PING_TIMEOUT_MS`; keepalive
without `ping_timeout_ms` takes ten times as long. Without bandwidth probing a stream that nobody reads holds some
60 kB, and then `write` waits; with it, 4 MB.
"""

from collections.abc import Sequence

import grpc

KEEPALIVE_MS = 2000
PING_TIMEOUT_MS = 2000
MIN_PING_INTERVAL_MS = 1000
"""Must lie below `KEEPALIVE_MS`, or servers end connections as abusive (ENHANCE_YOUR_CALM)."""

_MAX_MESSAGE = 4 << 20
_BOTH = (
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
    ("grpc.http2.ping_timeout_ms", PING_TIMEOUT_MS),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 65535),
    ("grpc.max_send_message_length", _MAX_MESSAGE),
    ("grpc.max_receive_message_length", _MAX_MESSAGE),
)
_CLIENT = (
    *_BOTH,
    ("grpc.http2.max_pings_without_data", 0),  # no limit: an idle session must notice a dead manager too
    ("grpc.enable_retries", 0),  # callers know what may be repeated, and back off with jitter
)
_SERVER = (
    *_BOTH,
    ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),  # a second manager on the same port must fail, not share it
)


def open_channel(target: str, credentials: grpc.ChannelCredentials, *, server_name: str = "") -> grpc.aio.Channel:
    """Return a channel.

    Args:
        target: host:port, or any gRPC target.
        credentials: See `gthulhu.common.identity.tls`.
        server_name: The DNS name that the server's certificate must carry; empty: the target's host.
    """
    options = [*_CLIENT]
    named = [("grpc.ssl_target_name_override", server_name)] if server_name else []
    return grpc.aio.secure_channel(target, credentials, options=[*options, *named])


def create_server(interceptors: Sequence[grpc.aio.ServerInterceptor]) -> grpc.aio.Server:
    """Return a server without ports; the first interceptor is the outermost."""
    return grpc.aio.server(interceptors=interceptors, options=_SERVER)
