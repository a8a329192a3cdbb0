"""The smallest consumer in Python: prints each price.

    pip install websockets
    python consumer.py

The code is the one of the project's first page, unchanged. Added: the last line, which runs it.
"""

# ruff: noqa: I001

import asyncio
import websockets
import json

async def consumer():
    async with websockets.connect("ws://localhost:8765") as websocket:
        async for message in websocket:
            data = json.loads(message)
            print(f"Price: ${data['last_price']}")


asyncio.run(consumer())
