"""One case of gRPC's interop suite, with Python's client; exit status 0 if it passed. The cases are those of the suite's description."""

import argparse
import os
import sys
import threading
import time

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
pb, services = grpc.protos_and_services("interop.proto")

LARGE_REQUEST, LARGE_ANSWER = 271828, 314159
REQUESTS, ANSWERS = (27182, 8, 1828, 45904), (31415, 9, 2653, 58979)
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


def payload(size):
    return pb.Payload(body=bytes(size))


def wants(size, body=0, interval_us=0):
    parameters = [pb.ResponseParameters(size=size, interval_us=interval_us)]
    return pb.StreamingOutputCallRequest(response_parameters=parameters, payload=payload(body))


def fails(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()} {error.details()}"
        return error
    raise AssertionError(f"no {code}")


def empty_unary(service):
    assert service.EmptyCall(pb.Empty()) == pb.Empty()


def large_unary(service, **options):
    request = pb.SimpleRequest(response_size=LARGE_ANSWER, payload=payload(LARGE_REQUEST))
    assert len(service.UnaryCall(request, **options).payload.body) == LARGE_ANSWER


def client_compressed_unary(service):
    large_unary(service, compression=grpc.Compression.Gzip)


def client_streaming(service):
    requests = (pb.StreamingInputCallRequest(payload=payload(size)) for size in REQUESTS)
    assert service.StreamingInputCall(requests).aggregated_payload_size == sum(REQUESTS)


def server_streaming(service):
    parameters = [pb.ResponseParameters(size=size) for size in ANSWERS]
    answers = service.StreamingOutputCall(pb.StreamingOutputCallRequest(response_parameters=parameters))
    assert tuple(len(answer.payload.body) for answer in answers) == ANSWERS


class InStep:
    """Requests of a stream, each sent when the one before is answered."""

    def __init__(self):
        self.sizes, self.next = list(zip(ANSWERS, REQUESTS)), 0
        self.answered = threading.Event()
        self.answered.set()

    def __iter__(self):
        for size, body in self.sizes:
            self.answered.wait()
            self.answered.clear()
            yield wants(size, body)
        self.answered.wait()


def ping_pong(service):
    requests = InStep()
    seen = []
    for answer in service.FullDuplexCall(iter(requests)):
        seen.append(len(answer.payload.body))
        requests.answered.set()
    assert tuple(seen) == ANSWERS, seen


def empty_stream(service):
    assert list(service.FullDuplexCall(iter(()))) == []


def timeout_on_sleeping_server(service):
    def late():
        yield wants(31415, 27182, interval_us=3_000_000)
        time.sleep(1)

    fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: list(service.FullDuplexCall(late(), timeout=0.5)))


def cancel_after_begin(service):
    never = threading.Event()

    def requests():
        never.wait()
        yield from ()

    future = service.StreamingInputCall.future(requests())
    future.cancel()
    never.set()
    assert future.cancelled() and future.code() == grpc.StatusCode.CANCELLED


def cancel_after_first_response(service):
    requests = InStep()
    call = service.FullDuplexCall(iter(requests))
    next(call)
    call.cancel()
    requests.answered.set()
    fails(grpc.StatusCode.CANCELLED, lambda: next(call))


def status_code_and_message(service):
    wanted = pb.EchoStatus(code=2, message="test status message")
    error = fails(grpc.StatusCode.UNKNOWN, lambda: service.UnaryCall(pb.SimpleRequest(response_status=wanted)))
    assert error.details() == wanted.message
    one = iter([pb.StreamingOutputCallRequest(response_status=wanted)])
    error = fails(grpc.StatusCode.UNKNOWN, lambda: list(service.FullDuplexCall(one)))
    assert error.details() == wanted.message


def special_status_message(service):
    wanted = pb.EchoStatus(code=2, message="\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")
    error = fails(grpc.StatusCode.UNKNOWN, lambda: service.UnaryCall(pb.SimpleRequest(response_status=wanted)))
    assert error.details() == wanted.message, repr(error.details())


def custom_metadata(service):
    sent = ((INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab"))
    request = pb.SimpleRequest(response_size=LARGE_ANSWER, payload=payload(LARGE_REQUEST))
    _, call = service.UnaryCall.with_call(request, metadata=sent)
    assert dict(call.initial_metadata()).get(INITIAL) == sent[0][1]
    assert dict(call.trailing_metadata()).get(TRAILING) == sent[1][1]
    stream = service.FullDuplexCall(iter([wants(1)]), metadata=sent)
    assert len(list(stream)) == 1
    assert dict(stream.initial_metadata()).get(INITIAL) == sent[0][1]
    assert dict(stream.trailing_metadata()).get(TRAILING) == sent[1][1]


def unimplemented_method(service):
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: service.UnimplementedCall(pb.Empty()))


def unimplemented_service(service):
    stub = services.UnimplementedServiceStub(service.channel)
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: stub.UnimplementedCall(pb.Empty()))


def status_details(service):
    error = fails(
        grpc.StatusCode.FAILED_PRECONDITION,
        lambda: service.EmptyCall(pb.Empty(), metadata=(("x-want-details", "because"),)),
    )
    details = rpc_status.from_call(error).details
    info = error_details_pb2.ErrorInfo()
    assert len(details) == 2 and details[0].Unpack(info)
    assert info.reason == "because" and len(info.metadata["filler"]) == 2000


def unary_16_mib(service):
    size = 16 << 20
    answer = service.UnaryCall(pb.SimpleRequest(response_size=size, payload=payload(size)))
    assert len(answer.payload.body) == size


CASES = {
    function.__name__: function
    for function in (
        empty_unary,
        large_unary,
        client_compressed_unary,
        client_streaming,
        server_streaming,
        ping_pong,
        empty_stream,
        timeout_on_sleeping_server,
        cancel_after_begin,
        cancel_after_first_response,
        status_code_and_message,
        special_status_message,
        custom_metadata,
        unimplemented_method,
        unimplemented_service,
        status_details,
        unary_16_mib,
    )
}


class Credential(grpc.AuthMetadataPlugin):
    def __init__(self, value):
        self.value = value

    def __call__(self, context, callback):
        callback((("authorization", self.value),), None)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-target", help="host:port of the server")
    parser.add_argument("-name", help="name in the certificate, if it is not the host")
    parser.add_argument("-ca", help="PEM file of the roots")
    parser.add_argument("-authorization", help="what the client itself sends in that field")
    parser.add_argument("-list", action="store_true", help="print the names of the cases")
    parser.add_argument("case", nargs="?")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(sorted(CASES)))
        return
    with open(arguments.ca, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    if arguments.authorization:
        own = grpc.metadata_call_credentials(Credential(arguments.authorization))
        credentials = grpc.composite_channel_credentials(credentials, own)
    options = [("grpc.max_receive_message_length", 32 << 20)]
    if arguments.name:
        options.append(("grpc.ssl_target_name_override", arguments.name))
    with grpc.secure_channel(arguments.target, credentials, options) as channel:
        service = services.TestServiceStub(channel)
        service.channel = channel
        CASES[arguments.case](service)


if __name__ == "__main__":
    main()
