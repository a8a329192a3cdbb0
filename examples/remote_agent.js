// A market maker over gRPC in JavaScript: quotes both sides of BTC/USD, hears of its fills, and quotes anew after each.
//
//     cd examples && npm ci && node remote_agent.js       Node 20 or later
//
// It reads the contract from proto/, and needs nothing else of this repository. When it ends, in whatever way, the order book
// cancels what it has open: that is what cancel_on_disconnect asks for.

const path = require('node:path');
const { randomUUID } = require('node:crypto');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const ADDRESS = 'localhost:50051';
const [ACCOUNT, SYMBOL, SIZE, EDGE] = ['maker-js', 'BTC/USD', '0.010', 4];
const TRADED = 3; // EXECUTION_KIND_TRADED

const definition = loader.loadSync('marksim/v1/orderbook.proto', {
    includeDirs: [path.join(__dirname, '..', 'proto')], keepCase: true, longs: String, enums: String, defaults: true,
});
const { OrderBookService } = grpc.loadPackageDefinition(definition).marksim.v1;
const book = new OrderBookService(ADDRESS, grpc.credentials.createInsecure(), { 'grpc.keepalive_time_ms': 30000 });

// A unary call as a promise, with a time limit. Sending an order again by its client_order_id has no second effect.
const call = (method, request) => new Promise((resolve, reject) => {
    book[method](request, { deadline: Date.now() + 10000 }, (error, answer) => (error ? reject(error) : resolve(answer)));
});

const prefix = randomUUID().slice(0, 8);
let count = 0;

async function quote(instrument) {
    await call('MassCancel', { account: ACCOUNT, symbol: SYMBOL });
    const { tick } = await call('GetBook', { symbol: SYMBOL, depth: 1 });
    for (const [side, sign] of [['SIDE_BUY', -1], ['SIDE_SELL', 1]]) {
        const ticks = Number(tick.last_price_ticks) + sign * EDGE;
        const { order } = await call('SubmitOrder', {
            account: ACCOUNT, symbol: SYMBOL, client_order_id: `${prefix}-${++count}`, side, quantity: SIZE,
            price: (ticks * Number(instrument.tick_size)).toFixed(2), order_type: 'ORDER_TYPE_LIMIT', post_only: 'POST_ONLY_SLIDE',
        });
        console.log(`${side} ${order.quantity} at ${order.price}: ${order.status}`);
    }
}

async function main() {
    const { instruments } = await call('ListInstruments', {});
    const instrument = instruments.find((one) => one.symbol === SYMBOL);
    const stream = book.StreamExecutions({ account: ACCOUNT, symbols: [SYMBOL], cancel_on_disconnect: true });
    let quoted = null; // The first answer says that the stream stands for the orders; then quote, and again after each fill.
    for await (const { executions } of stream) {
        const fills = executions.flatMap((part) => [...part.executions.kind]).filter((kind) => kind === TRADED).length;
        if (fills) console.log(`filled ${fills} times`);
        if (fills || quoted === null) quoted = Promise.resolve(quoted).then(() => quote(instrument));
        quoted.catch((error) => stream.destroy(error));
    }
}

main().then(() => {
    console.error('the order book has ended the stream; start it again once the market is back');
}, (error) => {
    console.error(`${error.message}; start it again once the market is back`);
    process.exitCode = 1;
}).finally(() => book.close());
