// The page's loop: poll what is new, keep it, draw it. The next poll begins only when the last drawing is done, so a
// slow browser gets fewer and larger batches and always shows the present.
(function () {
  "use strict";
  const marksim = (window.marksim = window.marksim || {});
  const PERIOD_MS = 125; // eight redraws a second
  const LONGEST_PERIOD_MS = 5000;
  const CANDLES_EVERY_MS = 500; // candles change less to the eye and cost as much to draw
  const TIMINGS = 600;

  const state = {
    symbol: "", interval: 1, serial: 0, frozen: false, series: null, candleChart: null, tickChart: null,
    digits: new Map(), names: "", failures: 0, updates: 0, draws: 0, candlesDrawn: 0, timings: [], drawMs: null, started: false, rows: 0,
  };

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  function digitsOf(row) {
    const digits = marksim.format.decimals([row.last, row.bid, row.ask], state.digits.get(row.symbol) || 0);
    state.digits.set(row.symbol, digits);
    return digits;
  }

  function ready() {
    return window.Plotly && document.getElementById("tick-chart") && document.getElementById("candle-chart");
  }

  function start() {
    if (state.started) return;
    state.started = true;
    state.series = new marksim.Series();
    loop();
  }

  async function loop() {
    while (!ready()) await pause(50);
    state.candleChart = new marksim.CandleChart(document.getElementById("candle-chart"));
    state.tickChart = new marksim.TickChart(document.getElementById("tick-chart"));
    for (;;) {
      const begun = performance.now();
      let period = Math.max(PERIOD_MS, 2 * (state.drawMs || 0));
      // A hidden tab asks for nothing; when it is seen again it skips to the present.
      if (!document.hidden) {
        try {
          await update();
          state.failures = 0;
        } catch (error) {
          state.failures += 1;
          period = Math.min(LONGEST_PERIOD_MS, 250 * 2 ** state.failures);
          marksim.text.showServerAway(state.rows > 0);
          if (!(error instanceof TypeError || error.name === "TimeoutError" || error.name === "ServerError")) console.error(error);
        }
      }
      await pause(Math.max(10, period - (performance.now() - begun)));
    }
  }

  async function fetchBatch() {
    const query = new URLSearchParams({ symbol: state.symbol, interval: state.interval, ...state.series.cursor() });
    const response = await fetch("batch?" + query, { signal: AbortSignal.timeout(5000), cache: "no-store" });
    if (!response.ok) throw Object.assign(new Error("HTTP " + response.status), { name: "ServerError" });
    return response.json();
  }

  async function update() {
    const serial = state.serial;
    const batch = await fetchBatch();
    // The visitor chose something else meanwhile: this answers a question of before.
    if (serial !== state.serial) return;
    const begun = performance.now();
    const status = batch.status;
    state.rows = batch.symbols.length;
    offerSymbols(batch);
    if (batch.symbol !== null) {
      const row = batch.symbols.find((candidate) => candidate.symbol === batch.symbol);
      const digits = digitsOf(row);
      const changed = state.series.add(batch, row.run);
      // Before the texts: Plotly asks for its size first, and would have what they changed laid out once more.
      if (changed && !state.frozen) await draw(batch, digits);
      marksim.text.showTiles(row, status, digits, status.state === "away");
      marksim.text.showSymbols(batch.symbols, batch.symbol, digitsOf);
    }
    marksim.text.showFeed(status, batch.symbols.length, state.drawMs);
    state.updates += 1;
    note(performance.now() - begun);
  }

  async function draw(batch, digits) {
    const { ticks, candles } = state.series;
    await state.tickChart.draw(ticks, digits);
    if (batch.reset || performance.now() - state.candlesDrawn >= CANDLES_EVERY_MS) {
      state.candlesDrawn = performance.now();
      state.candleChart.width = batch.interval * 1000;
      await state.candleChart.draw(candles, digits);
    }
    state.draws += 1;
    const seconds = (ticks.time_ms[ticks.time_ms.length - 1] - ticks.time_ms[0]) / 1000;
    marksim.text.write("ticks-note", `last ${marksim.format.fixed(seconds, 0)} s of simulated time`);
    marksim.text.write("candles-note", `${candles.time_ms.length} candles, simulated time UTC`);
  }

  function note(ms) {
    state.timings.push(ms);
    if (state.timings.length > TIMINGS) state.timings.shift();
    const recent = state.timings.slice(-40).sort((a, b) => a - b);
    state.drawMs = recent[recent.length >> 1];
  }

  // Tell the selector of symbols only when there are others than before.
  function offerSymbols(batch) {
    const names = batch.symbols.map((row) => row.symbol);
    const joined = names.join("\n");
    if (joined !== state.names) {
      state.names = joined;
      window.dash_clientside.set_props("symbol", { data: names });
    }
    if (!state.symbol && batch.symbol !== null) {
      state.symbol = batch.symbol;
      window.dash_clientside.set_props("symbol", { value: batch.symbol });
    }
  }

  // Called by Dash when a control changes, and once when the page is there.
  function select(symbol, interval) {
    const seconds = Number(interval) || 1;
    if ((symbol || state.symbol) !== state.symbol || seconds !== state.interval) {
      state.symbol = symbol || state.symbol;
      state.interval = seconds;
      state.serial += 1;
    }
    start();
    return window.dash_clientside.no_update;
  }

  function freeze(checked) {
    state.frozen = Boolean(checked);
    return window.dash_clientside.no_update;
  }

  // What tests and the soak measurement look at.
  marksim.probe = () => {
    const times = state.series ? state.series.ticks.time_ms : [];
    return {
      updates: state.updates, draws: state.draws, points: times.length, newest_ms: times.length ? times[times.length - 1] : null,
      candles: state.series ? state.series.candles.time_ms.length : 0, symbol: state.symbol, timings: state.timings.slice(),
      next: state.series ? state.series.next : 0,
    };
  };

  window.dash_clientside = Object.assign({}, window.dash_clientside, { marksim: { select, freeze } });
})();
