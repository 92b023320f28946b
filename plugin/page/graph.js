// The picture by mouse and keyboard: find a name, light its neighbours. Without it the page still shows all.
"use strict";
(() => {
  const graph = JSON.parse(document.getElementById("graph").textContent);
  const picture = document.getElementById("picture");
  const svg = picture.querySelector("svg");
  const search = document.getElementById("search");
  const told = document.getElementById("told");
  const rows = [...document.querySelectorAll("tbody tr")];
  const number = new Map(graph.nodes.map((node, i) => [node.name, i]));
  const nodes = graph.nodes.map((node, i) => document.getElementById(`n${i}`));
  const edges = graph.edges.map((edge, i) => document.getElementById(`e${i}`));
  const out = graph.nodes.map(() => []), into = graph.nodes.map(() => []);
  graph.edges.forEach((edge, i) => {
    out[number.get(edge.from)].push(i);
    into[number.get(edge.to)].push(i);
  });
  let kept = -1; // the node whose neighbours stay lit
  let current = 0; // the one that the keyboard is at

  const names = (list, end) => [...new Set(list.map((i) => graph.edges[i][end]))].join(", ") || "nobody";
  const linked = (list) => list.filter((i) => graph.edges[i].kind !== "undeclared");
  const describe = (i) => {
    const node = graph.nodes[i];
    const size = node.containers === null ? "" : `, ${node.running} of ${node.containers} containers run`;
    const broken = into[i].concat(out[i]).filter((j) => graph.edges[j].state === "broken").length;
    return `${node.name}, ${node.kind}${size}; calls ${names(linked(out[i]), "to")}; called by ${names(linked(into[i]), "from")}` +
      (broken ? `; ${broken} broken` : "");
  };

  // Light some nodes and edges and dim the rest; null: all are as they were.
  const light = (someNodes, someEdges) => {
    picture.classList.toggle("some", someNodes !== null);
    nodes.forEach((element, i) => element.classList.toggle("lit", someNodes !== null && someNodes.has(i)));
    edges.forEach((element, i) => element.classList.toggle("lit", someNodes !== null && someEdges.has(i)));
    rows.forEach((row) => { row.hidden = someNodes !== null && !someEdges.has(Number(row.dataset.edge)); });
  };
  const lightNeighbours = (i) => {
    const someEdges = new Set(out[i].concat(into[i]));
    const someNodes = new Set([i]);
    someEdges.forEach((j) => someNodes.add(number.get(graph.edges[j].from)).add(number.get(graph.edges[j].to)));
    light(someNodes, someEdges);
  };
  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    nodes.forEach((element, i) => {
      element.classList.toggle("chosen", i === kept);
      element.setAttribute("aria-pressed", String(i === kept));
    });
    if (kept >= 0) {
      lightNeighbours(kept);
      told.textContent = describe(kept);
    } else if (wanted) {
      const found = new Set(graph.nodes.flatMap((node, i) => (node.name.toLowerCase().includes(wanted) ? [i] : [])));
      light(found, new Set([...found].flatMap((i) => out[i].concat(into[i]))));
      told.textContent = `${found.size} of ${graph.nodes.length} match`;
    } else {
      light(null);
      told.textContent = "";
    }
  };
  const keep = (i) => {
    kept = kept === i ? -1 : i;
    show();
  };
  const clear = () => {
    kept = -1;
    search.value = "";
    show();
  };
  const go = (i) => {
    nodes[current].setAttribute("tabindex", "-1");
    current = i;
    nodes[current].setAttribute("tabindex", "0");
    nodes[current].focus({ preventScroll: true });
    nodes[current].scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  const centre = (i) => {
    const box = nodes[i].getBoundingClientRect(), frame = picture.getBoundingClientRect();
    picture.scrollBy(box.x + box.width / 2 - frame.x - frame.width / 2, box.y + box.height / 2 - frame.y - frame.height / 2);
  };

  nodes.forEach((element, i) => {
    element.setAttribute("tabindex", i === 0 ? "0" : "-1");
    element.setAttribute("role", "button");
    element.setAttribute("aria-label", describe(i));
    element.addEventListener("click", () => { go(i); keep(i); });
    element.addEventListener("mouseenter", () => { if (kept < 0 && !search.value) lightNeighbours(i); });
    element.addEventListener("mouseleave", () => { if (kept < 0 && !search.value) light(null); });
  });
  picture.addEventListener("keydown", (event) => {
    if (!event.target.closest(".node")) return;
    const at = {
      ArrowRight: () => (linked(out[current]).length ? number.get(graph.edges[linked(out[current])[0]].to) : current),
      ArrowLeft: () => (linked(into[current]).length ? number.get(graph.edges[linked(into[current])[0]].from) : current),
      ArrowDown: () => (current + 1) % nodes.length,
      ArrowUp: () => (current + nodes.length - 1) % nodes.length,
      Home: () => 0,
      End: () => nodes.length - 1,
    }[event.key];
    if (at) go(at());
    else if (event.key === "Enter" || event.key === " ") keep(current);
    else return;
    event.preventDefault();
  });
  search.addEventListener("input", () => { kept = -1; show(); });
  search.addEventListener("keydown", (event) => {
    const first = graph.nodes.findIndex((node) => node.name.toLowerCase().includes(search.value.trim().toLowerCase()));
    if (event.key !== "Enter" || first < 0) return;
    if (scale < 1) resize(1.1); // what was found is to be read
    go(first);
    centre(first);
    keep(first);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
    if (event.key === "/" && event.target !== search) { search.focus(); event.preventDefault(); }
  });
  document.getElementById("clear").addEventListener("click", clear);

  // The picture's size: as wide as there is room, but never too small to read by itself.
  const natural = svg ? svg.viewBox.baseVal.width : 0;
  let scale = 1;
  const resize = (next) => {
    scale = Math.min(Math.max(next, 0.1), 8);
    svg.setAttribute("width", natural * scale);
    svg.removeAttribute("height");
  };
  const fit = () => resize(Math.min(1.6, (picture.clientWidth - 20) / natural));
  if (svg && nodes.length) {
    // its own words for a screen reader are those of the names
    svg.querySelectorAll("title").forEach((title) => title.remove());
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", `${graph.nodes.length} apps and datastores`);
    edges.forEach((element) => element.setAttribute("aria-hidden", "true"));
    document.getElementById("smaller").addEventListener("click", () => resize(scale / 1.25));
    document.getElementById("larger").addEventListener("click", () => resize(scale * 1.25));
    document.getElementById("fit").addEventListener("click", fit);
    document.getElementById("tools").hidden = false;
    document.getElementById("keys").hidden = false;
    resize(Math.max(1.1, Math.min(1.6, (picture.clientWidth - 20) / natural)));
    // a large picture opens where most comes together
    const weight = nodes.map((element, i) => out[i].length + into[i].length);
    centre(weight.indexOf(Math.max(...weight)));
  }
})();
