"""gRPC's interop service by Python's server, which answers UNAUTHENTICATED to whoever does not bring the credential that a proxy is to add."""

import argparse
import os
import sys
import time
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("interop.proto")

INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


def payload(size):
    return pb.Payload(body=bytes(size))


def echo(context):
    for name, value in context.invocation_metadata():
        if name == INITIAL:
            context.send_initial_metadata(((name, value),))
        elif name == TRAILING:
            context.set_trailing_metadata(((name, value),))


def check(request, context):
    if request.response_status.code != 0:
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[request.response_status.code], request.response_status.message)


def detailed(reason):
    info, retry = any_pb2.Any(), any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="origin.test", metadata={"filler": "x" * 2000}))
    retry.Pack(error_details_pb2.RetryInfo())
    code = grpc.StatusCode.FAILED_PRECONDITION.value[0]
    return rpc_status.to_status(status_pb2.Status(code=code, message="with details", details=[info, retry]))


class Service(services.TestServiceServicer):
    def EmptyCall(self, request, context):
        reason = dict(context.invocation_metadata()).get("x-want-details")
        if reason is not None:
            context.abort_with_status(detailed(reason))
        return pb.Empty()

    def UnaryCall(self, request, context):
        echo(context)
        check(request, context)
        return pb.SimpleResponse(payload=payload(request.response_size))

    def StreamingInputCall(self, requests, context):
        return pb.StreamingInputCallResponse(aggregated_payload_size=sum(len(each.payload.body) for each in requests))

    def StreamingOutputCall(self, request, context):
        yield from self.answers(request, context)

    def FullDuplexCall(self, requests, context):
        echo(context)
        for request in requests:
            check(request, context)
            yield from self.answers(request, context)

    def answers(self, request, context):
        for parameters in request.response_parameters:
            time.sleep(parameters.interval_us / 1e6)
            yield pb.StreamingOutputCallResponse(payload=payload(parameters.size))


class Authorize(grpc.ServerInterceptor):
    def __init__(self, wanted):
        self.wanted = wanted

    def intercept_service(self, proceed, details):
        handler = proceed(details)
        got = [value for name, value in details.invocation_metadata if name == "authorization"]
        if got == [self.wanted] or handler is None:
            return handler

        def refuse(request, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"{len(got)} credentials, none of them right")

        kinds = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }
        kind = kinds[handler.request_streaming, handler.response_streaming]
        return kind(refuse, handler.request_deserializer, handler.response_serializer)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-cert", help="PEM file of the certificate")
    parser.add_argument("-key", help="PEM file of its key")
    parser.add_argument("-authorization", help="the value that `authorization` must have")
    arguments = parser.parse_args()
    with open(arguments.cert, "rb") as cert, open(arguments.key, "rb") as key:
        credentials = grpc.ssl_server_credentials([(key.read(), cert.read())])
    server = grpc.server(
        # Each call that is open has a thread.
        futures.ThreadPoolExecutor(max_workers=128),
        interceptors=[Authorize(arguments.authorization)],
        options=[("grpc.max_receive_message_length", 32 << 20)],
    )
    services.add_TestServiceServicer_to_server(Service(), server)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    print(f"listening {port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
