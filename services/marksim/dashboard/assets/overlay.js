// What stands on a chart but is not drawn by Plotly, which would lay it out anew with every redraw: the names of the
// panels, the newest price as a dotted line with its figure on the axis, and where nobody saw the feed.
(function () {
  "use strict";
  const marksim = (window.marksim = window.marksim || {});
  const MARGIN = { l: 10, r: 86, t: 6, b: 26 };

  // CSS length from a chart's top to a height, given as the share of the plot below it.
  const fromTop = (share) => `calc(${MARGIN.t}px + (100% - ${MARGIN.t + MARGIN.b}px) * ${1 - share})`;
  // CSS length of a share of the plot's width.
  const across = (share) => `(100% - ${MARGIN.l + MARGIN.r}px) * ${share}`;

  class Overlay {
    // `titles` names panels by their domains: [[name, [bottom, top]], ...].
    constructor(node, titles) {
      for (const [name, [bottom, top]] of titles) this.add(node, "axis-title", name).style.top = fromTop((bottom + top) / 2);
      this.line = this.add(node, "price-line", "");
      this.figure = this.add(node, "price-figure", "");
      Object.assign(this.line.style, { left: MARGIN.l + "px", right: MARGIN.r + "px" });
      this.figure.style.left = `calc(100% - ${MARGIN.r}px)`;
      this.node = node;
      this.gaps = [];
    }

    add(node, className, text) {
      const child = document.createElement("div");
      child.className = className;
      child.textContent = text;
      node.append(child);
      return child;
    }

    mark(price, text, color, range, domain) {
      const share = domain[0] + ((price - range[0]) / (range[1] - range[0])) * (domain[1] - domain[0]);
      this.line.style.top = this.figure.style.top = fromTop(share);
      this.line.style.borderColor = this.figure.style.backgroundColor = color;
      this.figure.textContent = text;
    }

    // `spans` are the ends of each gap on the axis of that range: [[from, to], ...].
    markGaps(spans, range) {
      const share = (at) => (at - range[0]) / (range[1] - range[0]);
      while (this.gaps.length < spans.length) this.gaps.push(this.add(this.node, "gap", "not seen"));
      while (this.gaps.length > spans.length) this.gaps.pop().remove();
      spans.forEach(([from, to], number) => Object.assign(this.gaps[number].style, {
        top: fromTop(1), bottom: MARGIN.b + "px",
        left: `calc(${MARGIN.l}px + ${across(share(from))})`, width: `calc(${across(share(to) - share(from))})`,
      }));
    }
  }

  marksim.MARGIN = MARGIN;
  marksim.Overlay = Overlay;
})();
