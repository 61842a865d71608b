"""A real WebSocket client, for forwarding_test.py: websocket_client.py URL talks|stays.

talks: messages of each kind, on two connections; a line `ok` behind the last.
stays: a line `still` for each message that came back, and `closed` when the connection ends.
"""

import asyncio
import sys

import websockets


async def talks(url):
    async with websockets.connect(url, max_size=None) as one, websockets.connect(url) as two:
        for message in ("a", "b" * 100_000, b"\0\xff" * 1_000_000):
            await one.send(message)
            assert await one.recv() == message
        await two.send("two")
        assert await two.recv() == "two"
        await asyncio.wait_for(await one.ping(), 5)
    print("ok", flush=True)


async def stays(url):
    try:
        async with websockets.connect(url) as one:
            while True:
                await one.send("still")
                print(await one.recv(), flush=True)
                await asyncio.sleep(0.05)
    except websockets.ConnectionClosed:
        print("closed", flush=True)


asyncio.run({"talks": talks, "stays": stays}[sys.argv[2]](sys.argv[1]))
