// The page's own copy of one symbol's series: plain arrays that never grow past their bound.
(function () {
  "use strict";
  const marksim = (window.marksim = window.marksim || {});
  const TICKS = 1000;
  const CANDLES = 150;

  const TICK_COLUMNS = ["time_ms", "last", "bid", "ask", "bid_size", "ask_size", "trades", "resumed"];
  const CANDLE_COLUMNS = ["time_ms", "open", "high", "low", "close", "volume", "trades"];

  const columns = (names) => Object.fromEntries(names.map((name) => [name, []]));

  function trim(series, bound) {
    const surplus = series.time_ms.length - bound;
    if (surplus > 0) for (const column of Object.values(series)) column.splice(0, surplus);
  }

  // Take away the rows that begin at `from` or later.
  function cut(series, from) {
    const at = series.time_ms.findIndex((time) => time >= from);
    if (at >= 0) for (const column of Object.values(series)) column.length = at;
  }

  class Series {
    constructor() {
      this.clear();
    }

    clear() {
      this.ticks = columns([...TICK_COLUMNS, "clock"]);
      this.candles = columns(CANDLE_COLUMNS);
      this.subject = null;
      this.generation = "";
      this.next = 0;
    }

    // What to tell the server, so that it sends only what is newer.
    cursor() {
      const starts = this.candles.time_ms;
      const newest = starts.length ? starts[starts.length - 1] : 0;
      return { generation: this.generation, after: this.next, candles_from_ms: newest };
    }

    // Take a batch, which is of this run of the market; null where the feed names none. Returns whether anything came that
    // is worth drawing.
    add(batch, run) {
      if (batch.reset) this.begin(batch, run);
      this.generation = batch.generation;
      this.next = batch.next;
      for (const name of TICK_COLUMNS) this.ticks[name].push(...batch.ticks[name]);
      this.ticks.clock.push(...batch.ticks.time_ms.map(marksim.format.clock));
      trim(this.ticks, TICKS);
      // The server repeats the open candle, which has grown since.
      const starts = this.candles.time_ms;
      if (batch.candles.time_ms.length && starts.length && starts[starts.length - 1] === batch.candles.time_ms[0]) {
        for (const name of CANDLE_COLUMNS) this.candles[name].pop();
      }
      for (const name of CANDLE_COLUMNS) this.candles[name].push(...batch.candles[name]);
      trim(this.candles, CANDLES);
      return batch.reset || batch.ticks.time_ms.length > 0;
    }

    // The server counts anew. Where it was only started again, and so remembers nothing, what is here of the same run is
    // still true up to where the batch begins: it stays, and the batch's first tick tells that something lies between.
    begin(batch, run) {
      const subject = run === null ? null : JSON.stringify([batch.symbol, batch.interval, run]);
      if (subject === null || subject !== this.subject) this.clear();
      this.subject = subject;
      const [start] = batch.ticks.time_ms;
      const known = this.ticks.time_ms.indexOf(start);
      // The market stood still meanwhile, and nothing lies between.
      if (known >= 0) batch.ticks.resumed[0] = this.ticks.resumed[known];
      cut(this.ticks, start);
      cut(this.candles, batch.candles.time_ms[0]);
    }
  }

  marksim.Series = Series;
})();
