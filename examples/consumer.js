// The smallest consumer in JavaScript: prints each price.
//
//     node consumer.js                              Node 22 or later
//     node --experimental-websocket consumer.js     Node 20, where the WebSocket global is behind this flag
//     <script src="consumer.js"></script>           any browser; look in its console
//
// The code is the one of the project's first page, unchanged. Nothing is added.

const ws = new WebSocket('ws://localhost:8765');
ws.onmessage = function(event) {
    const data = JSON.parse(event.data);
    console.log(`Price: $${data.last_price}`);
};
