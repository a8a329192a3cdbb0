// What stands on a chart but is not drawn by Plotly, which would lay it out anew with every redraw: the names of the
// panels, and the newest price as a dotted line with its figure on the axis.
(function () {
  "use strict";
  const marksim = (window.marksim = window.marksim || {});
  const MARGIN = { l: 10, r: 86, t: 6, b: 26 };

  // CSS length from a chart's top to a height, given as the share of the plot below it.
  const fromTop = (share) => `calc(${MARGIN.t}px + (100% - ${MARGIN.t + MARGIN.b}px) * ${1 - share})`;

  class Overlay {
    // `titles` names panels by their domains: [[name, [bottom, top]], ...].
    constructor(node, titles) {
      for (const [name, [bottom, top]] of titles) this.add(node, "axis-title", name).style.top = fromTop((bottom + top) / 2);
      this.line = this.add(node, "price-line", "");
      this.figure = this.add(node, "price-figure", "");
      Object.assign(this.line.style, { left: MARGIN.l + "px", right: MARGIN.r + "px" });
      this.figure.style.left = `calc(100% - ${MARGIN.r}px)`;
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
  }

  marksim.MARGIN = MARGIN;
  marksim.Overlay = Overlay;
})();
