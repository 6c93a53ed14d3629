"""Reads HTTP/1.1 messages with h11. Frames on stdin: a 4-byte length, then "\\n" for a request or the method of the request that is
answered and "\\n", then the message. Frames on stdout: a 4-byte length, then JSON."""

import json
import struct
import sys

import h11

HEAD_BYTES_MAX = 1024 * 1024


def pairs(headers):
    return [[name.decode("latin1"), value.decode("latin1")] for name, value in headers.raw_items()]


def connection_for(answer_to):
    if not answer_to:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
    conn.send(h11.Request(method=answer_to, target="/", headers=[("Host", "a.test")]))
    conn.send(h11.EndOfMessage())
    return conn


def start_of(event):
    if isinstance(event, h11.Request):
        return [event.method.decode("latin1"), event.target.decode("latin1")]
    return [str(event.status_code), event.reason.decode("latin1")]


def read(answer_to, message):
    conn = connection_for(answer_to)
    conn.receive_data(message)
    ended = False
    result = None
    body = b""
    while True:
        event = conn.next_event()
        if isinstance(event, (h11.Request, h11.Response, h11.InformationalResponse)):
            result = {"kind": "message", "start": start_of(event), "fields": pairs(event.headers)}
            if isinstance(event, h11.InformationalResponse):
                return finished(result, b"", [], conn, message)
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return finished(result, body, pairs(event.headers), conn, message)
        elif event is h11.NEED_DATA and answer_to and not ended:
            ended = True
            conn.receive_data(b"")
        else:
            return {"kind": "incomplete"}


def finished(result, body, trailers, conn, message):
    rest = conn.trailing_data[0]
    return {**result, "body": body.decode("latin1"), "trailers": trailers, "end": len(message) - len(rest)}


def answer(frame):
    answer_to, _, message = frame.partition(b"\n")
    try:
        return read(answer_to.decode("latin1"), message)
    except h11.RemoteProtocolError as error:
        # At the end of the connection the same exception says that something is missing.
        if "without sending complete message body" in str(error) or "in the middle of" in str(error):
            return {"kind": "incomplete"}
        return {"kind": "refused", "why": str(error)}


def main():
    source = sys.stdin.buffer
    sink = sys.stdout.buffer
    hello = json.dumps({"version": h11.__version__}).encode()
    sink.write(struct.pack(">I", len(hello)) + hello)
    sink.flush()
    while head := source.read(4):
        reply = json.dumps(answer(source.read(struct.unpack(">I", head)[0]))).encode()
        sink.write(struct.pack(">I", len(reply)) + reply)
        sink.flush()


main()
