// The two charts. One Plotly.react each, on bounded arrays: one redraw, with the axis moved in the same step
// (extendTraces followed by a relayout would draw twice).
(function () {
  "use strict";
  const marksim = (window.marksim = window.marksim || {});
  const COLOR = {
    bid: "#2fbf8f", ask: "#f0616d", last: "#e8ecf4", spread: "#f0b35a", trades: "#5b9dff",
    grid: "#1b2231", text: "#8b96ab", panel: "#121722",
  };
  const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false };

  function axis(domain, title) {
    return {
      domain, side: "right", gridcolor: COLOR.grid, zeroline: false, fixedrange: true, automargin: false,
      title: { text: title, font: { size: 11 }, standoff: 6 }, nticks: 6, exponentformat: "none",
    };
  }

  function layout(yaxes, bottom) {
    return {
      paper_bgcolor: COLOR.panel, plot_bgcolor: COLOR.panel,
      font: { color: COLOR.text, size: 11, family: "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" },
      margin: { l: 10, r: 86, t: 6, b: 26 },
      showlegend: false, hovermode: "x unified", hoverlabel: { bgcolor: "#1b2231", font: { color: "#e8ecf4" } },
      xaxis: {
        type: "date", anchor: bottom, gridcolor: COLOR.grid, fixedrange: true, tickformat: "%H:%M:%S",
        hoverformat: "%Y-%m-%d %H:%M:%S.%L", rangeslider: { visible: false }, nticks: 7, showspikes: false,
      },
      uirevision: "fixed", datarevision: 0, shapes: [], annotations: [],
      ...yaxes,
    };
  }

  const line = (name, color, yaxis, extra) => ({
    type: "scatter", mode: "lines", name, yaxis, x: [], y: [], hoverinfo: "x+y+name",
    line: { color, width: 1.2, simplify: true }, ...extra,
  });

  // The newest price: a dotted line across, and its figure in a box on the axis.
  function priceMark(price, text, color) {
    return {
      shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, yref: "y", y0: price, y1: price,
        line: { color, width: 1, dash: "dot" } }],
      annotations: [{ xref: "paper", x: 1, xanchor: "left", yref: "y", y: price, text, showarrow: false,
        font: { color: "#0b0e14", size: 11 }, bgcolor: color, borderpad: 2 }],
    };
  }

  class CandleChart {
    constructor(node) {
      this.node = node;
      this.candles = {
        type: "candlestick", name: "price", yaxis: "y", x: [], open: [], high: [], low: [], close: [],
        increasing: { line: { color: COLOR.bid, width: 1.2 }, fillcolor: COLOR.bid },
        decreasing: { line: { color: COLOR.ask, width: 1.2 }, fillcolor: COLOR.ask },
      };
      this.volume = { type: "bar", name: "volume", yaxis: "y2", x: [], y: [], marker: { color: [] }, hovertemplate: "%{y}" };
      this.layout = layout({ yaxis: axis([0.27, 1], ""), yaxis2: { ...axis([0, 0.21], "volume"), rangemode: "tozero", nticks: 4 } }, "y2");
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
      const last = candles.close[count - 1];
      const color = last >= candles.open[count - 1] ? COLOR.bid : COLOR.ask;
      Object.assign(this.layout, priceMark(last, marksim.format.fixed(last, digits), color));
      this.layout.yaxis.tickformat = `,.${digits}f`;
      const span = Math.max(60, count) * width;
      this.layout.xaxis.range = [candles.time_ms[count - 1] + width * 2 - span, candles.time_ms[count - 1] + width * 2];
      this.layout.xaxis.tickformat = width >= 60000 ? "%H:%M" : "%H:%M:%S";
      this.layout.datarevision += 1;
      return window.Plotly.react(this.node, [this.candles, this.volume], this.layout, CONFIG);
    }
  }

  class TickChart {
    constructor(node) {
      this.node = node;
      this.ask = line("ask", COLOR.ask, "y");
      this.bid = line("bid", COLOR.bid, "y", { fill: "tonexty", fillcolor: "rgba(91,157,255,0.08)" });
      this.last = line("last", COLOR.last, "y");
      this.spread = line("spread", COLOR.spread, "y2", { fill: "tozeroy", fillcolor: "rgba(240,179,90,0.12)" });
      this.bidSize = line("bid size", COLOR.bid, "y3");
      this.askSize = line("ask size", COLOR.ask, "y3");
      this.trades = line("trades", COLOR.trades, "y4", { fill: "tozeroy", fillcolor: "rgba(91,157,255,0.25)" });
      this.layout = layout({
        yaxis: axis([0.5, 1], ""),
        yaxis2: { ...axis([0.34, 0.46], "spread"), rangemode: "tozero", nticks: 3 },
        yaxis3: { ...axis([0.17, 0.3], "sizes"), rangemode: "tozero", nticks: 3 },
        yaxis4: { ...axis([0, 0.13], "trades"), rangemode: "tozero", nticks: 3, tickformat: "d" },
      }, "y4");
    }

    draw(ticks, digits) {
      const x = ticks.time_ms;
      if (!x.length) return;
      const spread = x.map((_, i) => ticks.ask[i] - ticks.bid[i]);
      const pairs = [[this.ask, ticks.ask], [this.bid, ticks.bid], [this.last, ticks.last], [this.spread, spread],
        [this.bidSize, ticks.bid_size], [this.askSize, ticks.ask_size], [this.trades, ticks.trades]];
      for (const [trace, y] of pairs) Object.assign(trace, { x, y });
      const last = ticks.last[x.length - 1];
      Object.assign(this.layout, priceMark(last, marksim.format.fixed(last, digits), COLOR.last));
      this.layout.yaxis.tickformat = `,.${digits}f`;
      this.layout.yaxis2.tickformat = `,.${digits}f`;
      this.layout.xaxis.range = [x[0], x[x.length - 1]];
      this.layout.datarevision += 1;
      return window.Plotly.react(this.node, pairs.map(([trace]) => trace), this.layout, CONFIG);
    }
  }

  marksim.CandleChart = CandleChart;
  marksim.TickChart = TickChart;
})();
