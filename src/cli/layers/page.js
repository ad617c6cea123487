"use strict";
// Draws the map: a squarified treemap (Bruls, Huizing, van Wijk 2000) of layers and what is in them.
// Texts are only ever set as text.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const map = document.getElementById("map");
  const about = document.getElementById("about");
  const trail = document.getElementById("trail");
  const find = document.getElementById("find");
  const HEAD = 18;
  const GAP = 2;

  /** The node of one entry `[name, size, wasted, files, children]`. */
  function node(entry, parent, layer) {
    const [name, size, wasted, files, children = []] = entry;
    const own = { name, size, wasted, files, parent, layer, kids: [], cell: null };
    own.kids = children.map((child) => node(child, own, layer));
    own.kids.sort((a, b) => b.size - a.size);
    return own;
  }

  const root = { name: data.name, size: 0, wasted: 0, files: 0, parent: null, layer: -1, kids: [], cell: null };
  data.layers.forEach((layer, i) => {
    const top = node(layer.tree, root, i);
    top.by = layer.by;
    root.size += top.size;
    root.wasted += top.wasted;
    root.files += top.files;
    if (top.size > 0) root.kids.push(top);
  });

  let shown = root;
  let now = null;

  const UNITS = ["B", "kB", "MB", "GB", "TB"];
  function bytes(size) {
    let unit = 0;
    while (size >= 999.5 && unit + 1 < UNITS.length) {
      size /= 1000;
      unit += 1;
    }
    return Number(size.toPrecision(3)) + UNITS[unit];
  }

  function label(of) {
    if (of === root) return data.name;
    if (of.by !== undefined) return `Layer ${of.layer + 1}`;
    return of.name === null ? `${of.files} smaller` : of.name;
  }

  function path(of) {
    if (of === root) return data.name;
    const names = [];
    for (; of.by === undefined; of = of.parent) names.unshift(label(of));
    return names.length ? "/" + names.join("/") : label(of);
  }

  /** Puts `kids` into a rectangle, each as near to a square as can be; gives [kid, x, y, w, h]. */
  function squarify(kids, x, y, w, h) {
    const placed = [];
    let total = kids.reduce((sum, kid) => sum + kid.size, 0);
    let start = 0;
    while (start < kids.length && w > 0 && h > 0) {
      const side = Math.min(w, h);
      const scale = (w * h) / total;
      let sum = 0;
      let worst = Infinity;
      let end = start;
      for (; end < kids.length; end += 1) {
        const grown = sum + kids[end].size;
        const length = (grown * scale) / side;
        const largest = (kids[start].size * scale) / length;
        const smallest = (kids[end].size * scale) / length;
        const ratio = Math.max(length / smallest, largest / length, length / largest, smallest / length);
        if (ratio > worst) break;
        worst = ratio;
        sum = grown;
      }
      const length = (sum * scale) / side;
      let offset = 0;
      for (const kid of kids.slice(start, end)) {
        const part = (side * kid.size) / sum;
        placed.push(w >= h ? [kid, x, y + offset, length, part] : [kid, x + offset, y, part, length]);
        offset += part;
      }
      if (w >= h) {
        x += length;
        w -= length;
      } else {
        y += length;
        h -= length;
      }
      total -= sum;
      start = end;
    }
    return placed;
  }

  function cell(of, x, y, w, h, depth, opens) {
    const box = document.createElement("div");
    box.className = "cell";
    box.style.left = `${x}px`;
    box.style.top = `${y}px`;
    box.style.width = `${w}px`;
    box.style.height = `${h}px`;
    box.style.setProperty("--i", of.layer);
    box.style.setProperty("--d", Math.min(depth, 7));
    box.id = `cell-${map.childElementCount}`;
    box.setAttribute("aria-label", `${path(of)}, ${bytes(of.size)}`);
    if (of.kids.length) box.classList.add("in");
    if (of.by !== undefined) box.classList.add("top");
    if (of.name === null) box.classList.add("rest");
    if (of.wasted === of.size && !opens) box.classList.add("waste");
    if (w > 34 && h > 15) {
      const text = document.createElement("span");
      text.textContent = label(of);
      if (w > 90) {
        const size = document.createElement("em");
        size.textContent = bytes(of.size);
        text.append(size);
      }
      if (of.by && w > 260) {
        const by = document.createElement("em");
        by.textContent = of.by;
        text.append(by);
      }
      box.append(text);
    }
    box.node = of;
    of.cell = box;
    map.append(box);
  }

  function fill(of, x, y, w, h, depth) {
    for (const [kid, left, top, width, height] of squarify(of.kids, x, y, w, h)) {
      const [wide, high] = [width - GAP / 2, height - GAP / 2];
      if (wide < 2 || high < 2) continue;
      const opens = kid.kids.length > 0 && wide > 14 && high > 14;
      cell(kid, left, top, wide, high, depth, opens);
      const head = high > HEAD + 16 && wide > 34 ? HEAD : GAP;
      if (opens) {
        fill(kid, left + GAP, top + head, wide - 2 * GAP, high - head - GAP, depth + 1);
      }
    }
  }

  function forget(of) {
    of.cell = null;
    of.kids.forEach(forget);
  }

  function draw() {
    forget(root);
    map.replaceChildren();
    fill(shown, GAP, GAP, map.clientWidth - GAP, map.clientHeight - GAP, shown === root ? 0 : 1);
    trail.replaceChildren();
    for (let of = shown; of; of = of.parent) {
      const step = document.createElement("button");
      step.type = "button";
      step.textContent = label(of);
      const target = of;
      step.addEventListener("click", () => show(target));
      trail.prepend(step);
    }
    search();
    point(now && now.cell ? now : null);
    document.body.dataset.cells = map.childElementCount;
  }

  function show(of) {
    if (!of.kids.length) return;
    const from = shown;
    shown = of;
    now = from.parent === of ? from : null;
    draw();
  }

  /** Says what is at a place of the map, and marks it. */
  function point(of) {
    if (now && now.cell) now.cell.classList.remove("now");
    now = of;
    about.replaceChildren();
    const told = of || shown;
    if (of) {
      of.cell.classList.add("now");
      map.setAttribute("aria-activedescendant", of.cell.id);
    } else {
      map.removeAttribute("aria-activedescendant");
    }
    const name = document.createElement("b");
    name.textContent = path(told);
    const part = root.size ? ((told.size * 100) / root.size).toFixed(1) : "0";
    const words = [`  ${bytes(told.size)}, ${part}% of the image`];
    if (told.kids.length || told.name === null) words.push(`${told.files} files`);
    if (told.wasted) words.push(`${bytes(told.wasted)} wasted`);
    if (told.layer >= 0 && told.by === undefined) words.push(`layer ${told.layer + 1}`);
    about.append(name, words.join(" · "));
    if (told.by) about.append(` · ${told.by}`);
  }

  function search() {
    const wanted = find.value.trim().toLowerCase();
    map.classList.toggle("searching", wanted !== "");
    for (const box of map.children) {
      const found = wanted !== "" && box.node.name !== null && path(box.node).toLowerCase().includes(wanted);
      box.classList.toggle("found", found);
    }
  }

  const at = (event) => event.target.closest(".cell")?.node ?? null;
  map.addEventListener("mousemove", (event) => {
    const of = at(event);
    if (of !== now) point(of);
  });
  map.addEventListener("mouseleave", () => point(null));
  map.addEventListener("click", (event) => {
    // A file leads to the directory that it is in.
    let of = at(event);
    while (of && !of.kids.length) of = of.parent;
    if (of && of !== shown) show(of);
  });
  map.addEventListener("keydown", (event) => {
    const drawn = (of) => of.kids.filter((kid) => kid.cell);
    const beside = (step) => {
      if (!now) return drawn(shown)[0];
      const all = drawn(now.parent);
      return all[all.indexOf(now) + step];
    };
    const moves = {
      ArrowRight: () => beside(1),
      ArrowLeft: () => beside(-1),
      ArrowDown: () => drawn(now || shown)[0],
      ArrowUp: () => (now && now.parent !== shown ? now.parent : null),
    };
    if (moves[event.key]) {
      const of = moves[event.key]();
      if (of !== undefined) point(of);
    } else if (event.key === "Enter" && now) {
      show(now);
    } else if ((event.key === "Escape" || event.key === "Backspace") && shown.parent) {
      show(shown.parent);
    } else {
      return;
    }
    event.preventDefault();
  });
  find.addEventListener("input", search);
  for (const row of document.querySelectorAll("tr[data-layer]")) {
    const top = root.kids.find((kid) => kid.layer === Number(row.dataset.layer));
    if (!top) continue;
    row.tabIndex = 0;
    const open = () => {
      show(top);
      map.scrollIntoView({ block: "center" });
    };
    row.addEventListener("click", open);
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter") open();
    });
  }
  new ResizeObserver(draw).observe(map);
  draw();
})();
