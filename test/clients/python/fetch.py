"""fetch.py CLIENT URL: a GET, then a POST of 1 MiB; prints what came back. fetch.py CLIENT URL events: a stream, with a word for each event."""

import asyncio
import sys

BODY = b"x" * 1048576


def by_urllib(url, verify_strictly=False):
    import ssl
    from urllib.request import HTTPSHandler, Request, build_opener

    context = ssl.create_default_context()
    if verify_strictly:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    opener = build_opener(HTTPSHandler(context=context))
    print(opener.open(url).read().decode(), end="")
    print(opener.open(Request(url, data=BODY)).read().decode(), end="")


def by_requests(url):
    import requests

    with requests.Session() as session:
        print(session.get(url).text, end="")
        print(session.post(url, data=BODY).text, end="")


def by_httpx(url, http2=False):
    import httpx

    with httpx.Client(http2=http2) as session:
        print(session.get(url).text, end="")
        answer = session.post(url, content=BODY)
        print(answer.text, end="")


def by_httplib2(url):
    from httplib2 import Http

    session = Http()
    print(session.request(url)[1].decode(), end="")
    print(session.request(url, "POST", body=BODY)[1].decode(), end="")


async def by_aiohttp(url):
    import aiohttp

    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.get(url) as answer:
            print(await answer.text(), end="")
        async with session.post(url, data=BODY) as answer:
            print(await answer.text(), end="")


def events_by_requests(url):
    import requests

    with requests.get(url + "events", stream=True) as answer:
        for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
            if line.startswith("data: "):
                print(line[6:])
                requests.post(url + "ack").raise_for_status()


def events_by_httpx(url, http2=False):
    import httpx

    with httpx.Client(http2=http2) as session, session.stream("GET", url + "events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                print(line[6:])
                session.post(url + "ack").raise_for_status()


async def events_by_aiohttp(url):
    import aiohttp

    async with aiohttp.ClientSession(trust_env=True) as session, session.get(url + "events") as answer:
        async for line in answer.content:
            if line.startswith(b"data: "):
                print(line[6:].decode(), end="")
                async with session.post(url + "ack"):
                    pass


CLIENTS = {
    "urllib": by_urllib,
    "urllib-strict": lambda url: by_urllib(url, verify_strictly=True),
    "requests": by_requests,
    "httpx": by_httpx,
    "httpx-http2": lambda url: by_httpx(url, http2=True),
    "httplib2": by_httplib2,
    "aiohttp": lambda url: asyncio.run(by_aiohttp(url)),
}
EVENTS = {
    "requests": events_by_requests,
    "httpx": events_by_httpx,
    "httpx-http2": lambda url: events_by_httpx(url, http2=True),
    "aiohttp": lambda url: asyncio.run(events_by_aiohttp(url)),
}

name, url, *events = sys.argv[1:]
(EVENTS if events else CLIENTS)[name](url)
