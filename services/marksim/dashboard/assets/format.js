// Numbers and times as text. Pure functions, no state.
(function () {
  "use strict";
  const marksim = (window.marksim = window.marksim || {});

  // Kept, because making one costs as much as formatting a hundred numbers.
  const formats = new Map();

  function fixed(value, digits) {
    let format = formats.get(digits);
    if (!format) {
      format = new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
      formats.set(digits, format);
    }
    return format.format(value);
  }

  // Decimals that a price is quoted with, as far as the given prices show: 0 to 8.
  function decimals(prices, atLeast) {
    let most = atLeast;
    for (const price of prices) {
      const [mantissa, exponent] = String(price).split("e-");
      const dot = mantissa.indexOf(".");
      const digits = (dot < 0 ? 0 : mantissa.length - dot - 1) + Number(exponent || 0);
      most = Math.max(most, Math.min(digits, 8));
    }
    return most;
  }

  function quantity(value) {
    const size = Math.abs(value);
    if (size >= 1e9) return fixed(value / 1e9, 2) + " B";
    if (size >= 1e6) return fixed(value / 1e6, 2) + " M";
    if (size >= 1e4) return fixed(value, 0);
    return fixed(value, size >= 100 ? 1 : size >= 1 ? 2 : 4);
  }

  const percent = (ratio) => (ratio >= 0 ? "+" : "−") + fixed(Math.abs(ratio) * 100, 2) + " %";

  function duration(ms) {
    if (ms < 0) return "< 0 ms";
    return ms < 1000 ? fixed(ms, ms < 10 ? 1 : 0) + " ms" : fixed(ms / 1000, 1) + " s";
  }

  const instant = (ms) => new Date(ms).toISOString().replace("T", " ").slice(0, 21) + " UTC";

  const clock = (ms) => new Date(ms).toISOString().slice(11, 23);

  marksim.format = { fixed, decimals, quantity, percent, duration, instant, clock };
})();
