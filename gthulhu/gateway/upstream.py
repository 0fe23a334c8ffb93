"""What stands behind a gateway: managers over mTLS, or an agent's unix socket."""

import ipaddress

from gthulhu.gateway import certificates, envoy, options

CLUSTER = "upstream"


def cluster(settings: options.Options) -> envoy.Config:
    """Return the one cluster that all routes lead to.

    A server that cannot be connected to is left out for a while. What a server *answers* never makes it suspect: an
    UNAVAILABLE that names a node is a good answer. Health is asked of managers only; an agent's socket is one of one.
    """
    return {
        "name": CLUSTER,
        "type": "STRICT_DNS" if any(_named(upstream) for upstream in settings.upstreams) else "STATIC",
        "dns_lookup_family": "ALL",
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": 1 << 20,
        "load_assignment": {
            "cluster_name": CLUSTER,
            "endpoints": [{"lb_endpoints": [_endpoint(upstream) for upstream in settings.upstreams]}],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": envoy.typed(
                "extensions.upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
                },
            )
        },
        **(_health() if settings.kind == "manager" else {}),
        **certificates.to_managers(settings),
    }


def _endpoint(upstream: str) -> envoy.Config:
    if upstream.startswith("unix:"):
        return {"endpoint": {"address": {"pipe": {"path": upstream.removeprefix("unix:")}}}}
    return {"endpoint": {"address": envoy.address(upstream)}}


def _named(upstream: str) -> bool:
    if upstream.startswith("unix:"):
        return False
    try:
        ipaddress.ip_address(options.split(upstream)[0])
    except ValueError:
        return True
    return False


def _health() -> envoy.Config:
    return {
        "health_checks": [
            {
                "timeout": "2s",
                "interval": "5s",
                "no_traffic_interval": "5s",
                "unhealthy_interval": "1s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "grpc_health_check": {"service_name": ""},
            }
        ],
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 5,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "base_ejection_time": "5s",
            "max_ejection_percent": 50,
        },
    }
