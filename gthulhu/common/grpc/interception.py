"""One shape for server interceptors, whatever kind of RPC they stand around.

Handlers are coroutines or asynchronous generators. Around a generator its messages are written here, so that it is
closed at once where the client goes away: gRPC itself leaves that to the garbage collector.
"""

import abc
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler  # generic in the stubs only


class Interceptor(grpc.aio.ServerInterceptor, abc.ABC):
    """Runs something around each RPC, and may look at each request."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler; None where there is none (gRPC answers UNIMPLEMENTED)."""
        handler = await continuation(handler_call_details)
        return None if handler is None else self._wrap(handler, handler_call_details.method)

    @abc.abstractmethod
    def around(self, method: str, context: Context) -> contextlib.AbstractAsyncContextManager[None]:
        """Return what the RPC runs in; `method` is `/package.Service/Method`."""

    def check(self, request: Any) -> None:  # noqa: ANN401 - any message; most interceptors look at none
        """Look at a request, or at each message of a stream of them; may raise."""

    def _wrap(self, handler: Handler, method: str) -> Handler:
        inner = cast(
            "Callable[[Any, Context], Any]",  # the stubs describe synchronous handlers
            handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream,
        )

        async def behavior(request: Any, context: Context) -> Any:  # noqa: ANN401 - messages of any type
            async with self.around(method, context):
                if handler.request_streaming:
                    request = self._checked(request)
                else:
                    self.check(request)
                if not inspect.isasyncgenfunction(inner):
                    return await inner(request, context)
                async with contextlib.aclosing(inner(request, context)) as responses:
                    async for response in responses:
                        await context.write(response)
                    return None

        kinds: dict[tuple[bool, bool], Callable[..., Handler]] = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }
        return kinds[handler.request_streaming, handler.response_streaming](
            behavior,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    async def _checked(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self.check(request)
            yield request
