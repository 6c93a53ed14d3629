"""The Autobahn cases as kosoku has them; prints which passed, by name, as JSON.

autobahn.py client URL: plays them to the server there. autobahn.py server: plays them to the client that comes, prints its own port first. More arguments
are the only cases to be played.
autobahn.py tested URL: is that client, by the library websockets, and plays each case that the server has."""

import asyncio
import json
import sys

# Of the compressed ones a few: all of them take minutes.
CASES = [f"{group}.*" for group in [1, 2, 3, 4, 5, 6, 7, 9, 10]] + ["12.1.1", "12.2.1", "12.3.1", "13.1.1", "13.3.1"]


async def show(results):
    from kosoku import FailureError

    try:
        cases = await results
    except FailureError as failure:
        cases = failure.results
    print(json.dumps({case.case_id: case.passed for case in cases}), flush=True)


async def client(url, *only):
    from kosoku import run_fuzzingclient

    await show(run_fuzzingclient(url, cases=list(only) or CASES, concurrency=2))


async def server(*only):
    from kosoku import run_fuzzingserver

    async with run_fuzzingserver(cases=list(only) or CASES, port=0) as running:
        print(running.port, flush=True)
        await show(running.get_result())


async def tested(url):
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    async def open(path):
        return connect(f"{url}/{path}", max_size=None, ping_interval=None)

    async with await open("getCaseCount") as socket:
        count = int(await socket.recv())
    at_once = asyncio.Semaphore(8)

    async def play(case):
        try:
            async with at_once, await open(f"runCase?case={case}&agent=websockets") as socket:
                async for message in socket:
                    await socket.send(message)
        except WebSocketException:
            pass  # What the case wanted.

    await asyncio.gather(*(play(case) for case in range(1, count + 1)))
    async with await open("updateReports?agent=websockets") as socket:
        await socket.wait_closed()


asyncio.run({"client": client, "server": server, "tested": tested}[sys.argv[1]](*sys.argv[2:]))
