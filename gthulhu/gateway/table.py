"""Envoy's route table: what is known leads to the upstream, everything else is refused here.

Order decides. Native gRPC comes first, so that what calls itself gRPC can only reach the services of users; then each
REST route with its method; then the same paths with any method, for 405; then nothing, for 404.
"""

from collections.abc import Iterable, Iterator, Sequence

from google.protobuf import descriptor

from gthulhu.gateway import envoy, options, routes, upstream

_HEALTH = ("grpc.health.v1.Health",)
_REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_PAGE_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_PAGES = ("/swagger/", "/ui/")
_NO_LIMIT = {"timeout": "0s", "idle_timeout": "0s"}


def virtual_host(settings: options.Options) -> envoy.Config:
    """Return the one virtual host of a gateway."""
    known = routes.routes(settings.kind)
    services = routes.services(settings.kind)
    cors = {"envoy.filters.http.cors": _cors(settings.cors_origins, known)} if settings.cors_origins else {}
    return {
        "name": settings.kind,
        "domains": ["*"],
        "routes": [
            *_native(services, settings),
            *([_preflight()] if settings.cors_origins else ()),
            *(_rest(route, settings) for route in known),
            *(_pages() if settings.kind == "manager" else ()),
            *_wrong_methods(known),
            *(_wrong_methods_of_pages() if settings.kind == "manager" else ()),
            _refuse({"prefix": "/"}, 404),
        ],
        "request_headers_to_add": [
            # One address that can be believed, in place of a list that begins with what the client claims.
            _header("x-forwarded-for", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
        ],
        "retry_policy": {
            # Only where the request cannot have been seen: not all of them may be made twice.
            "retry_on": "connect-failure,refused-stream,reset-before-request",
            "num_retries": 2,
            "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"},
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": envoy.typed(
                        "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                    ),
                }
            ],
            "host_selection_retry_max_attempts": 3,
        },
        "typed_per_filter_config": cors,
    }


def _native(services: Sequence[descriptor.ServiceDescriptor], settings: options.Options) -> Iterator[envoy.Config]:
    names = [service.full_name for service in services]
    for name in (*names, *_HEALTH, *(_REFLECTION if settings.reflection else ())):
        yield {"name": name, "match": {"prefix": f"/{name}/", "grpc": {}}, "route": _to_upstream(**_NO_LIMIT)}
    yield _refuse({"prefix": "/", "grpc": {}}, 404)


def _rest(route: routes.Route, settings: options.Options) -> envoy.Config:
    limits = _NO_LIMIT if route.stream else {"timeout": envoy.seconds(settings.request_timeout)}
    return {
        "name": route.rpc.full_name,
        "match": {
            **_path(route),
            "headers": [{"name": ":method", "string_match": {"exact": route.method}}],
        },
        "route": _to_upstream(**limits),
        **({"request_headers_to_add": [_header("x-rest-stream", "true")]} if route.stream else {}),
        "typed_per_filter_config": {
            "envoy.filters.http.lua": envoy.typed(
                "extensions.filters.http.lua.v3.LuaPerRoute", filter_context=_context(route)
            ),
        },
    }


def _preflight() -> envoy.Config:
    """Give browsers' preflights a route to an upstream, which they never reach: the CORS filter looks at no other."""
    asked = [
        {"name": ":method", "string_match": {"exact": "OPTIONS"}},
        {"name": "origin", "present_match": True},
        {"name": "access-control-request-method", "present_match": True},
    ]
    return {"match": {"prefix": "/api/", "headers": asked}, "route": _to_upstream()}


def _context(route: routes.Route) -> envoy.Config:
    """Return what the presentation filter knows of a route; see presentation.lua."""
    wide = routes.wide(route.rpc.output_type)
    return {
        "rpc": route.rpc.full_name,
        **({"bare": True} if route.bare else {}),
        **({"stream": True} if route.stream else {}),
        **({"wide": wide} if wide and not route.bare else {}),
    }


def _pages() -> Iterator[envoy.Config]:
    for path, target in (("/", "/ui/"), ("/ui", "/ui/"), ("/swagger", "/swagger/")):
        redirect = {"path_redirect": target, "response_code": "FOUND"}
        yield _untranscoded({"match": {"path": path, **_get()}, "redirect": redirect})
    headers = {
        "envoy.filters.http.header_mutation": envoy.typed(
            "extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
            mutations={
                "response_mutations": [
                    {"append": _header("content-security-policy", _PAGE_POLICY)},
                    {"append": _header("cache-control", "no-cache")},
                ]
            },
        )
    }
    for prefix in _PAGES:
        # The file server answers before the router; what it does not have ends here.
        yield _untranscoded({**_refuse({"prefix": prefix, **_get()}, 404), "typed_per_filter_config": headers})


def _wrong_methods(known: Sequence[routes.Route]) -> Iterator[envoy.Config]:
    first = {route.template: route for route in known}
    for template, route in first.items():
        allow = ", ".join(routes.allowed(template, known))
        yield {**_refuse(_path(route), 405), "response_headers_to_add": [_header("allow", allow)]}


def _wrong_methods_of_pages() -> Iterator[envoy.Config]:
    for prefix in _PAGES:
        refusal = {**_refuse({"prefix": prefix}, 405), "response_headers_to_add": [_header("allow", "GET")]}
        yield _without(refusal, "file_server")


def _path(route: routes.Route) -> envoy.Config:
    return {"path": route.template} if route.literal else {"safe_regex": {"regex": route.pattern}}


def _get() -> envoy.Config:
    return {"headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}


def _refuse(match: envoy.Config, status: int) -> envoy.Config:
    return _untranscoded({"match": match, "direct_response": {"status": status}})


def _untranscoded(route: envoy.Config) -> envoy.Config:
    """Keep the transcoder off a route, else it answers first: 404 to all that it does not know."""
    return _without(route, "grpc_json_transcoder")


def _without(route: envoy.Config, name: str) -> envoy.Config:
    off = {f"envoy.filters.http.{name}": envoy.typed("config.route.v3.FilterConfig", disabled=True)}
    return {**route, "typed_per_filter_config": {**route.get("typed_per_filter_config", {}), **off}}


def _to_upstream(**fields: object) -> envoy.Config:
    return {"cluster": upstream.CLUSTER, **fields}


def _cors(origins: Sequence[str], known: Iterable[routes.Route]) -> envoy.Config:
    return envoy.typed(
        "extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=[{"exact": origin} for origin in origins],
        allow_methods=", ".join(sorted({route.method for route in known})),
        allow_headers="authorization, content-type",
        expose_headers="x-request-id, retry-after",
        max_age="600",
        forward_not_matching_preflights=False,
    )


def _header(name: str, value: str) -> envoy.Config:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
