"""chat.py CLIENT URL: over one WebSocket a short text, 1 MiB of text and every byte as binary; prints what came back of each, and the extensions."""

import asyncio
import sys

TEXTS = ["hello", "x" * 1048576]
BYTES = bytes(range(256))


async def by_websockets(url):
    from websockets.asyncio.client import connect

    async with connect(url, max_size=None) as socket:
        for message in [*TEXTS, BYTES]:
            await socket.send(message)
            print(await socket.recv() == message)
        print(",".join(extension.name for extension in socket.protocol.extensions))


async def by_aiohttp(url):
    import aiohttp

    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.ws_connect(url, max_msg_size=0, compress=15) as socket:
            for message in TEXTS:
                await socket.send_str(message)
                print(await socket.receive_str() == message)
            await socket.send_bytes(BYTES)
            print(await socket.receive_bytes() == BYTES)
            print("permessage-deflate" if socket.compress else "")


asyncio.run({"websockets": by_websockets, "aiohttp": by_aiohttp}[sys.argv[1]](sys.argv[2]))
