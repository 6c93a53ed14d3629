"""model.py SDK: asks for an answer at once and in events, with nothing but the variables that the SDK itself reads; a word for each event."""

import os
import sys
from urllib.request import Request, urlopen

MESSAGES = [{"role": "user", "content": "say twenty words"}]


def acknowledge(host):
    urlopen(Request(f"{host}/ack", method="POST")).read()


def openai():
    from openai import OpenAI

    client = OpenAI(max_retries=0)
    print(client.chat.completions.create(model="probe", messages=MESSAGES).choices[0].message.content)
    for chunk in client.chat.completions.create(model="probe", messages=MESSAGES, stream=True):
        print(chunk.choices[0].delta.content or "", end="")
        acknowledge("https://api.openai.com")
    print()


def anthropic():
    from anthropic import Anthropic

    client = Anthropic(max_retries=0)
    host = os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com")
    print(client.messages.create(model="probe", max_tokens=99, messages=MESSAGES).content[0].text)
    for event in client.messages.create(model="probe", max_tokens=99, messages=MESSAGES, stream=True):
        if event.type == "content_block_delta":
            print(event.delta.text, end="")
        acknowledge(host)
    print()


{"openai": openai, "anthropic": anthropic}[sys.argv[1]]()
