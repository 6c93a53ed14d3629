"""mitmproxy's part of the benchmark: inject one header, stream bodies, and resolve every name to this machine."""

import os
import socket

from mitmproxy import http

BEARER = "Bearer " + os.environ["BENCH_BEARER"]
resolve = socket.getaddrinfo


def loopback(host, *rest, **options):
    # The origin is the only server the benchmark has. Rewriting the server's address in a hook would do as well, but mitmproxy then
    # no longer recognises the connection it has and opens another for every request.
    return resolve("127.0.0.1", *rest, **options)


socket.getaddrinfo = loopback


class Inject:
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        flow.request.headers["authorization"] = BEARER

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        # Streams, as every other peer does; otherwise it holds each body whole.
        if flow.response:
            flow.response.stream = True


addons = [Inject()]
