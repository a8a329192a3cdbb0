// The two charts. What costs time is Plotly's generality, so it gets nothing to find out: ranges are given, labels are
// neither turned nor measured, and ticks, which change with every update, lie on a plain axis (Plotly parses each of a
// date axis's numbers as a date).
(function () {
  "use strict";
  const marksim = (window.marksim = window.marksim || {});
  const COLOR = {
    bid: "#2fbf8f", ask: "#f0616d", last: "#e8ecf4", spread: "#f0b35a", trades: "#5b9dff",
    grid: "#1b2231", text: "#8b96ab", panel: "#121722",
  };
  const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false };
  const PRICES = [0.27, 1];
  const VOLUMES = [0, 0.21];
  const PANELS = { price: [0.5, 1], spread: [0.34, 0.46], sizes: [0.17, 0.3], trades: [0, 0.13] };
  const CLOCK_STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
  const MOST_CLOCK_TICKS = 6;

  const LABELS = { gridcolor: COLOR.grid, fixedrange: true, tickangle: 0, ticklabeloverflow: "allow" };

  const axis = (domain, extra) => ({
    ...LABELS, domain, side: "right", zeroline: false, automargin: false, nticks: 6, exponentformat: "none", ...extra,
  });

  function layout(xaxis, yaxes) {
    return {
      paper_bgcolor: COLOR.panel, plot_bgcolor: COLOR.panel,
      font: { color: COLOR.text, size: 11, family: "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" },
      margin: marksim.MARGIN,
      showlegend: false, hovermode: "x unified", hoverlabel: { bgcolor: "#1b2231", font: { color: "#e8ecf4" } },
      xaxis: { ...LABELS, showspikes: false, ...xaxis },
      uirevision: "fixed", datarevision: 0,
      ...yaxes,
    };
  }

  // The range of an axis of prices, with a little air above and below; a flat line lies in its middle.
  function around(low, high) {
    const air = (high - low) * 0.05 || Math.abs(high) * 1e-4 || 1;
    return [low - air, high + air];
  }

  const upTo = (high) => [0, high * 1.05 || 1];

  // Round moments between two instants (ms), few enough to stand side by side.
  function clockTicks(from, to) {
    const least = (to - from) / 1000 / MOST_CLOCK_TICKS;
    const step = 1000 * (CLOCK_STEPS_S.find((seconds) => seconds >= least) || Math.ceil(least));
    const ticks = [];
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
    return ticks;
  }

  class CandleChart {
    constructor(node) {
      this.node = node;
      this.overlay = new marksim.Overlay(node, [["volume", VOLUMES]]);
      this.candles = {
        type: "candlestick", name: "price", yaxis: "y", x: [], open: [], high: [], low: [], close: [],
        increasing: { line: { color: COLOR.bid, width: 1.2 }, fillcolor: COLOR.bid },
        decreasing: { line: { color: COLOR.ask, width: 1.2 }, fillcolor: COLOR.ask },
      };
      this.volume = { type: "bar", name: "volume", yaxis: "y2", x: [], y: [], marker: { color: [] }, hovertemplate: "%{y}" };
      const xaxis = { type: "date", anchor: "y2", hoverformat: "%Y-%m-%d %H:%M:%S.%L", rangeslider: { visible: false }, nticks: 7 };
      this.layout = layout(xaxis, { yaxis: axis(PRICES), yaxis2: axis(VOLUMES, { nticks: 4 }) });
      this.layout.bargap = 0.25;
    }

    draw(candles, digits) {
      const count = candles.time_ms.length;
      if (!count) return;
      const width = this.width;
      // A bar's centre is drawn at its x: half a candle on, so that a candle stands over its own span.
      const middle = candles.time_ms.map((start) => start + width / 2);
      Object.assign(this.candles, { x: middle, open: candles.open, high: candles.high, low: candles.low, close: candles.close });
      Object.assign(this.volume, { x: middle, y: candles.volume, width: width * 0.72 });
      this.volume.marker.color = candles.close.map((close, i) => (close >= candles.open[i] ? "#1f6f58" : "#8a3b45"));
      const { xaxis, yaxis, yaxis2 } = this.layout;
      yaxis.tickformat = `,.${digits}f`;
      yaxis.range = around(Math.min(...candles.low), Math.max(...candles.high));
      yaxis2.range = upTo(Math.max(...candles.volume));
      const span = Math.max(60, count) * width;
      xaxis.range = [candles.time_ms[count - 1] + width * 2 - span, candles.time_ms[count - 1] + width * 2];
      xaxis.tickformat = width >= 60000 ? "%H:%M" : "%H:%M:%S";
      this.layout.datarevision += 1;
      const last = candles.close[count - 1];
      const color = last >= candles.open[count - 1] ? COLOR.bid : COLOR.ask;
      const drawn = window.Plotly.react(this.node, [this.candles, this.volume], this.layout, CONFIG);
      this.overlay.mark(last, marksim.format.fixed(last, digits), color, yaxis.range, PRICES);
      return drawn;
    }
  }

  // Lines one pixel wide: a browser without a graphics card draws those far faster than broader ones.
  const line = (name, color, yaxis, extra) => ({
    type: "scatter", mode: "lines", name, yaxis, x: [], y: [], hoverinfo: "y+name", line: { color, width: 1, simplify: true }, ...extra,
  });

  // Once a panel, for whoever points at a tick: a plain axis cannot write its numbers as times.
  const TIMED = { hovertemplate: "%{y} at %{text}" };

  // The places of ticks before which nobody saw the feed; before the first one there is nothing to draw anyway.
  const gapsIn = (ticks) => ticks.resumed.flatMap((resumed, place) => (resumed && place ? [place] : []));

  // A line must not cross what was not seen: a point without a value before each of those places interrupts it.
  const interrupted = (values, places) =>
    places.length ? values.flatMap((value, place) => (places.includes(place) ? [null, value] : [value])) : values;

  class TickChart {
    constructor(node) {
      this.node = node;
      this.overlay = new marksim.Overlay(node, Object.entries(PANELS).slice(1));
      this.traces = [
        line("ask", COLOR.ask, "y"),
        line("bid", COLOR.bid, "y"),
        line("last", COLOR.last, "y", TIMED),
        line("spread", COLOR.spread, "y2", { ...TIMED, fill: "tozeroy", fillcolor: "rgba(240,179,90,0.12)" }),
        line("bid size", COLOR.bid, "y3"),
        line("ask size", COLOR.ask, "y3", TIMED),
        line("trades", COLOR.trades, "y4", { ...TIMED, fill: "tozeroy", fillcolor: "rgba(91,157,255,0.25)" }),
      ];
      this.layout = layout({ type: "linear", anchor: "y4", tickmode: "array", unifiedhovertitle: { text: "tick" } }, {
        yaxis: axis(PANELS.price), yaxis2: axis(PANELS.spread, { nticks: 3 }), yaxis3: axis(PANELS.sizes, { nticks: 3 }),
        yaxis4: axis(PANELS.trades, { nticks: 3, tickformat: "d" }),
      });
    }

    draw(ticks, digits) {
      const x = ticks.time_ms;
      if (!x.length) return;
      const spread = x.map((_, i) => ticks.ask[i] - ticks.bid[i]);
      const gaps = gapsIn(ticks);
      const [at, text] = [x, ticks.clock].map((values) => interrupted(values, gaps));
      [ticks.ask, ticks.bid, ticks.last, spread, ticks.bid_size, ticks.ask_size, ticks.trades].forEach((y, number) =>
        Object.assign(this.traces[number], { x: at, y: interrupted(y, gaps), text }));
      const { xaxis, yaxis, yaxis2, yaxis3, yaxis4 } = this.layout;
      xaxis.range = [x[0], x[x.length - 1]];
      xaxis.tickvals = clockTicks(...xaxis.range);
      xaxis.ticktext = xaxis.tickvals.map((at) => marksim.format.clock(at).slice(0, 8));
      yaxis.range = around(Math.min(...ticks.bid, ...ticks.last), Math.max(...ticks.ask, ...ticks.last));
      yaxis2.range = upTo(Math.max(...spread));
      yaxis3.range = upTo(Math.max(...ticks.bid_size, ...ticks.ask_size));
      yaxis4.range = upTo(Math.max(...ticks.trades));
      yaxis.tickformat = yaxis2.tickformat = `,.${digits}f`;
      this.layout.datarevision += 1;
      const last = ticks.last[x.length - 1];
      const drawn = window.Plotly.react(this.node, this.traces, this.layout, CONFIG);
      this.overlay.mark(last, marksim.format.fixed(last, digits), COLOR.last, yaxis.range, PANELS.price);
      this.overlay.markGaps(gaps.map((place) => [x[place - 1], x[place]]), xaxis.range);
      return drawn;
    }
  }

  marksim.CandleChart = CandleChart;
  marksim.TickChart = TickChart;
})();
