"""The consumers as the project's first page prints them; the examples may not differ from them in a character."""

PYTHON = """\
import asyncio
import websockets
import json

async def consumer():
    async with websockets.connect("ws://localhost:8765") as websocket:
        async for message in websocket:
            data = json.loads(message)
            print(f"Price: ${data['last_price']}")
"""

JAVASCRIPT = """\
const ws = new WebSocket('ws://localhost:8765');
ws.onmessage = function(event) {
    const data = JSON.parse(event.data);
    console.log(`Price: $${data.last_price}`);
};
"""

# The page's Go lacks two imports, which stand between these two parts.
GO_HEAD = """\
package main

import (
    "encoding/json"
    "github.com/gorilla/websocket"
)
"""

GO_BODY = """\
func main() {
    conn, _, err := websocket.DefaultDialer.Dial("ws://localhost:8765", nil)
    if err != nil {
        log.Fatal(err)
    }
    defer conn.Close()
\x20\x20\x20\x20
    for {
        _, message, err := conn.ReadMessage()
        if err != nil {
            log.Println(err)
            return
        }
\x20\x20\x20\x20\x20\x20\x20\x20
        var data map[string]interface{}
        json.Unmarshal(message, &data)
        fmt.Printf("Price: $%.2f\\n", data["last_price"])
    }
}
"""
