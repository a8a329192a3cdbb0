// Everything on the page that is text: tiles, the table of symbols, the state of the feed.
(function () {
  "use strict";
  const marksim = (window.marksim = window.marksim || {});
  const known = new Map();

  function element(id) {
    let node = known.get(id);
    if (!node || !node.isConnected) known.set(id, (node = document.getElementById(id)));
    return node;
  }

  // Touches the document only where the text changed.
  function write(id, text) {
    const node = element(id);
    if (node && node.textContent !== text) node.textContent = text;
  }

  function mark(id, name, value) {
    const node = element(id);
    if (node && node.dataset[name] !== value) node.dataset[name] = value;
  }

  function showTiles(row, status, digits, shownAway) {
    const { fixed, quantity, percent, duration, instant } = marksim.format;
    const spread = row.ask - row.bid;
    const middle = (row.ask + row.bid) / 2;
    write("last", fixed(row.last, digits));
    write("change", row.change === null ? " " : percent(row.change));
    mark("change", "sign", row.change > 0 ? "up" : row.change < 0 ? "down" : "flat");
    write("bid", fixed(row.bid, digits));
    write("bid-size", quantity(row.bid_size));
    write("ask", fixed(row.ask, digits));
    write("ask-size", quantity(row.ask_size));
    write("spread", fixed(spread, digits));
    write("spread-bps", middle > 0 ? fixed((spread / middle) * 1e4, 2) + " bp" : " ");
    write("volume", quantity(row.volume_24h));
    write("volume-quote", "≈ " + quantity(row.volume_24h * row.last) + " at the last price");
    write("rate", fixed(row.ticks_per_s, 0));
    write("rate-all", fixed(status.ticks_per_s, 0) + " of all symbols");
    write("lag", status.lag_ms === null ? "–" : duration(status.lag_ms));
    write("lag-note", shownAway ? "not connected" : status.lag_ms === null ? "not told by this feed" : "edge to dashboard");
    write("clock", instant(row.time_ms));
  }

  function showSymbols(rows, selected, digitsOf) {
    const { fixed, quantity, percent } = marksim.format;
    const body = element("symbol-rows");
    if (!body) return;
    while (body.rows.length > rows.length) body.deleteRow(-1);
    rows.forEach((row, index) => {
      const line = body.rows[index] || newRow(body);
      line.dataset.symbol = row.symbol;
      line.dataset.selected = String(row.symbol === selected);
      const digits = digitsOf(row);
      const sign = row.change > 0 ? "up" : row.change < 0 ? "down" : "flat";
      const texts = [row.symbol, fixed(row.last, digits), row.change === null ? "–" : percent(row.change), fixed(row.bid, digits),
        fixed(row.ask, digits), fixed(row.ask - row.bid, digits), quantity(row.volume_24h), fixed(row.ticks_per_s, 0)];
      texts.forEach((text, cell) => {
        if (line.cells[cell].textContent !== text) line.cells[cell].textContent = text;
      });
      line.cells[2].dataset.sign = sign;
    });
  }

  function newRow(body) {
    const line = body.insertRow(-1);
    for (let cell = 0; cell < 8; cell += 1) line.insertCell(-1);
    line.tabIndex = 0;
    const choose = () => window.dash_clientside.set_props("symbol", { value: line.dataset.symbol });
    line.addEventListener("click", choose);
    line.addEventListener("keydown", (event) => event.key === "Enter" && choose());
    return line;
  }

  const LAMP = { live: "live", quiet: "quiet", connecting: "connecting", away: "disconnected", server: "dashboard away" };

  function showFeed(status, symbols, drawMs) {
    const { fixed, duration } = marksim.format;
    mark("lamp", "state", status.state);
    write("lamp-text", LAMP[status.state] || status.state);
    write("feed-sentence", status.sentence);
    showBanner(status.state, status.sentence, symbols > 0);
    write("feed-run", status.run === null ? "not told" : status.run);
    const counts = { runs: "run_changes", ticks: "ticks", connections: "connections", conflated: "conflated", lost: "lost",
      missed: "missed", late: "late", bad: "bad_frames" };
    for (const [name, key] of Object.entries(counts)) {
      write("feed-" + name, fixed(status[key], 0));
      mark("feed-" + name, "bad", String(["lost", "late", "bad_frames"].includes(key) && status[key] > 0));
    }
    if (status.bad_frames) element("feed-bad").title = status.newest_bad_frame;
    if (status.refused_symbols) write("feed-sentence", status.sentence + " More symbols than this page keeps; some are not shown.");
    write("feed-draw", drawMs === null ? "–" : duration(drawMs));
  }

  // Above the charts while something is wrong and there is still something to see; over them while there is nothing.
  function showBanner(state, sentence, hasData) {
    const banner = element("banner");
    const empty = element("empty");
    if (!banner || !empty) return;
    banner.hidden = state === "live" || !hasData;
    write("banner", sentence);
    mark("banner", "state", state);
    empty.hidden = hasData;
    write("empty-text", sentence);
    mark("empty", "state", state);
  }

  // The dashboard's own server does not answer: nothing on the page is of now.
  function showServerAway(hasData) {
    const sentence = "The dashboard's own server does not answer; it may have been stopped. Trying again.";
    mark("lamp", "state", "away");
    write("lamp-text", LAMP.server);
    write("feed-sentence", sentence);
    showBanner("away", sentence, hasData);
  }

  marksim.text = { write, showTiles, showSymbols, showFeed, showServerAway };
})();
