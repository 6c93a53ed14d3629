"""mitmproxy's part of the benchmark: inject one header, and dial this machine for every name."""

import os

from mitmproxy import http
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

BEARER = "Bearer " + os.environ["BENCH_BEARER"]


class Inject:
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        flow.request.headers["authorization"] = BEARER

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        # Streams, as every other peer does; otherwise it holds each body whole.
        flow.response.stream = True

    def server_connect(self, data: ServerConnectionHookData) -> None:
        # The SNI and the name that is verified stay the client's.
        if data.server.address:
            data.server.address = ("127.0.0.1", data.server.address[1])


addons = [Inject()]
