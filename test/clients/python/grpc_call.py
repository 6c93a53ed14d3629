"""grpc_call.py HOST:PORT: UnaryCall of the interop service with an answer of 64 KiB; prints how long the message was."""

import sys

import grpc

# SimpleRequest, with response_size = 65536.
REQUEST = bytes([0x10, 0x80, 0x80, 0x04])

with grpc.secure_channel(sys.argv[1], grpc.ssl_channel_credentials()) as channel:
    print(len(channel.unary_unary("/grpc.testing.TestService/UnaryCall")(REQUEST)))
