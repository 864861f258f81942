"use strict";
// The page: what people do, and what they are told.

const byId = (id) => document.getElementById(id);
const model = new Model(JSON.parse(byId("data").textContent));
const chart = new Chart(model, byId("chart"), byId("overview"), byId("rows"));
const number = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
const SLOWEST = 100, HAPPENED = 300, HINT = "Click a step, a wait or a message.";
let match = -1;

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  return Object.assign(made, attributes);
}

// What is selected -------------------------------------------------------------------------

function select(item, { close = false, focus = false } = {}) {
  chart.selected = item;
  if (item && focus) {
    reveal(item);
    const [begin, end] = chart.placesOf(item);
    if (item.kind !== "host") chart.show(begin, end, model.rowOfItem(item), close);
  }
  chart.draw();
  tell(item);
  for (const row of byId("slowest").rows) {
    row.classList.toggle("selected", Boolean(item) && item.kind === "wait" && Number(row.dataset.wait) === item.index);
  }
}

// Has a row for what is to be seen: lets the search go, or opens its host.
function reveal(item) {
  if (model.rowOfItem(item) >= 0 || (item.process !== undefined && item.process < 0)) return;
  if (model.query) search("");
  if (item.track !== undefined && model.rowOf[item.track] < 0) open(model.tracks[item.track][0], true);
}

function open(process, isOpen) {
  model.toggle(process, isOpen);
  byId("tasks").checked = model.expanded.size >= model.processes.length;
  chart.resize();
  chart.draw();
}

function describe(item) {
  if (item.process !== undefined) return describeOfHost(item);
  const { kind, index, track } = item, { texts, moments, waits, messages, steps } = model;
  if (kind === "step") {
    const blocked = model.endUs[index] - model.beginUs[index];
    return [`Step ${(index + 1).toLocaleString("en")} of ${model.label(track)}`, [
      ["runs", model.name(index)], ["at", clock(model.beginUs[index])],
      blocked > 0 && ["blocked the world for", span(blocked)],
      ["goes on in", place(model.where(index))],
      ...waitBefore(index), ...messagesOf(index),
    ]];
  }
  if (kind === "wait") {
    const before = waits.before[index];
    return [`${model.label(track)} waits`, [
      ["for", texts[waits.reason[index]]], ["waited", span(model.waitUs(index))],
      ["from", clock(moments[waits.begin[index]])],
      ["to", before < 0 ? `${clock(moments[waits.end[index]])}, where the run or the task ended` : clock(moments[waits.end[index]])],
      ["in", place(texts[waits.where[index]])],
    ]];
  }
  if (kind === "message") {
    const sender = messages.sender[index], taker = messages.taker[index], size = messages.bytes[index];
    return [`Message (${texts[messages.kind[index]]})`, [
      ["sent by", model.label(steps.track[sender])], ["at", clock(model.beginUs[sender])],
      ["read by", taker < 0 ? "nobody" : model.label(steps.track[taker])],
      taker >= 0 && ["after", span(model.beginUs[taker] - model.beginUs[sender])],
      ["from", texts[messages.from[index]]], ["to", texts[messages.to[index]]],
      ["size", size < 0 ? "not told: it is ciphered" : number(size, "byte")],
      texts[messages.begins[index]] && ["begins", code(JSON.stringify(texts[messages.begins[index]]).slice(1, -1))],
    ]];
  }
  const [process, name, coroutine, where, outcome] = model.tracks[track];
  const mine = model.stepsOf[track], waiting = model.waitsOf[track].reduce((sum, wait) => sum + model.waitUs(wait), 0);
  return [coroutine ? `Task ${name}` : `Callbacks of ${model.processes[process]}`, [
    model.processes.length > 1 && ["host", model.processes[process]],
    coroutine && ["runs", coroutine], where && ["defined in", place(where)],
    ["first step", clock(model.beginUs[mine[0]])], ["last step", clock(model.beginUs[mine[mine.length - 1]])],
    ["steps", mine.length.toLocaleString("en")], coroutine && ["waited", span(waiting)], outcome && ["end", outcome],
  ]];
}

function describeOfHost({ kind, index, process }) {
  const { packets, texts, spells, happenings, processes } = model;
  if (kind === "packet") {
    const why = texts[packets.why[index]], to = model.hostTo(index);
    return [`Packet (${texts[packets.kind[index]]})`, [
      ["sent by", processes[packets.source[index]]], ["at", clock(packets.begin[index])],
      ["to", to < 0 ? "no host" : processes[to]],
      model.isLost[index] === 2 ? ["arrives", why] : why ? ["lost", `${why}, at ${clock(packets.end[index])}`] : ["arrived after", span(packets.end[index] - packets.begin[index])],
      ["from", texts[packets.from[index]]], ["for", texts[packets.to[index]]], ["data", number(packets.bytes[index], "byte")],
      texts[packets.begins[index]] && ["begins", code(JSON.stringify(texts[packets.begins[index]]).slice(1, -1))],
    ]];
  }
  if (kind === "spell") {
    const [, , state, begin, end, , before] = spells[index];
    return [`${processes[process]}: ${state}`, [
      ["for", span(end - begin)], ["from", clock(begin)], ["to", before < 0 ? `${clock(end)}, where the run ended` : clock(end)],
    ]];
  }
  if (kind === "happening") {
    const [, what, text, us] = happenings[index];
    return [what === "fault" ? "A fault" : process < 0 ? "In the world" : `On ${processes[process]}`, [["what", text], ["at", clock(us)]]];
  }
  const mine = model.packetsOf[process], lost = mine.filter((packet) => model.isLost[packet] === 1).length;
  const tasks = model.tracks.filter(([of, , coroutine]) => of === process && coroutine).length;
  return [`Host ${processes[process]}`, [
    ["tasks", tasks.toLocaleString("en")], ["packets", `${mine.length.toLocaleString("en")}${lost ? `, ${lost.toLocaleString("en")} of them lost` : ""}`],
    ...spells.filter(([of]) => of === process).slice(0, 8).map(([, , state, begin, end]) => [state, `${clock(begin)} to ${clock(end)}`]),
  ]];
}

function waitBefore(step) {
  const wait = model.waitsOf[model.steps.track[step]].find((each) => model.waits.before[each] === step);
  return wait === undefined ? [] : [["waited before for", `${model.texts[model.waits.reason[wait]]}, ${span(model.waitUs(wait))}`]];
}

function messagesOf(step) {
  const { sender, taker, bytes, from, to } = model.messages, rows = [];
  for (let i = lowerBound(sender.length, (n) => sender[n], step); i < sender.length && sender[i] === step && rows.length < 5; i++) {
    rows.push(["sent", `${bytes[i] < 0 ? "ciphered bytes" : number(bytes[i], "byte")} to ${model.texts[to[i]]}`]);
  }
  for (let i = 0; i < taker.length && rows.length < 10; i++) {
    if (taker[i] === step) rows.push(["read", `${bytes[i] < 0 ? "ciphered bytes" : number(bytes[i], "byte")} from ${model.texts[from[i]]}`]);
  }
  return rows;
}

const code = (text) => element("code", text);

// Where an editor opens a place "file:line in function"; null if nothing is known to open.
function editorLink(where) {
  const parts = /^(.+):(\d+)(?: in .*)?$/.exec(where || "");
  if (!model.editor || !parts || !/^(\/|[A-Za-z]:[\\/])/.test(parts[1])) return null;
  const path = parts[1].replaceAll("\\", "/").split("/").map(encodeURIComponent).join("/").replace(/^([A-Za-z])%3A/, "$1:");
  return model.editor.replaceAll("{path}", path).replaceAll("{line}", parts[2]);
}

// Where an item's code is.
function whereOf({ kind, index, track }) {
  if (kind === "step") return model.where(index);
  if (kind === "wait") return model.texts[model.waits.where[index]];
  if (kind === "message") return model.where(model.messages.sender[index]);
  return kind === "track" ? model.tracks[track][3] : "";
}

function place(where) {
  const made = element("span"), source = model.sources[where], target = editorLink(where);
  const text = where || "C code, or nowhere known";
  made.append(target ? element("a", text, { href: target, title: "Open in the editor" }) : text);
  if (source) made.append(element("br"), code(source));
  return made;
}

function tell(item) {
  const box = byId("details");
  box.replaceChildren();
  if (!item) { box.append(element("p", HINT, { className: "hint" })); return; }
  const [title, rows] = describe(item), list = element("dl");
  for (const [name, value] of rows.filter(Boolean)) {
    const cell = element("dd");
    cell.append(value);
    list.append(element("dt", name), cell);
  }
  box.append(element("h3", title), list, links(item));
}

function links(item) {
  const box = element("div", undefined, { className: "links" });
  const add = (text, target, close = false) => box.append(element("button", text, { type: "button", onclick: () => select(target, { focus: true, close }) }));
  if (item.kind === "message") {
    const { sender, taker } = model.messages;
    add("Sender", { kind: "step", index: sender[item.index], track: model.steps.track[sender[item.index]] });
    if (taker[item.index] >= 0) add("Reader", { kind: "step", index: taker[item.index], track: model.steps.track[taker[item.index]] });
  } else if (item.kind === "packet") {
    const { sender, taker } = model.packets, step = (index) => ({ kind: "step", index, track: model.steps.track[index] });
    if (sender[item.index] >= 0) add("Step that sent it", step(sender[item.index]));
    if (taker[item.index] >= 0) add("Where it ended", step(taker[item.index]));
  } else if (item.kind === "host") {
    const isOpen = model.expanded.has(item.process);
    box.append(element("button", isOpen ? "Hide its tasks" : "Show its tasks", { type: "button", onclick: () => { open(item.process, !isOpen); select(item); } }));
    return box;
  } else if (item.track !== undefined && item.kind !== "track") {
    add("Task", { kind: "track", index: item.track, track: item.track });
  }
  add("Zoom to it", item, true);
  const target = editorLink(item.process === undefined && whereOf(item));
  if (target) box.append(element("a", "Open in the editor", { href: target, className: "button" }));
  return box;
}

// Search -----------------------------------------------------------------------------------

function search(query) {
  if (byId("search").value !== query) byId("search").value = query;
  model.search(query);
  match = -1;
  chart.resize();
  chart.draw();
  const found = byId("found"), matches = model.matches;
  byId("previous").disabled = byId("next").disabled = !matches || !matches.length;
  if (!matches) found.textContent = "";
  else if (!matches.length) found.textContent = `Nothing here is called “${query}”.`;
  else found.textContent = `${counted(matches)} in ${model.rows.length} of ${number(model.allRows.length, "row")}`;
}

// 12 steps, 3 waits
function counted(matches) {
  const counts = new Map();
  for (const { kind } of matches) counts.set(kind, (counts.get(kind) || 0) + 1);
  const nouns = { happening: "moment", spell: "state" };
  return [...counts].map(([kind, count]) => number(count, nouns[kind] || kind)).join(", ");
}

function goTo(direction) {
  const { matches } = model;
  if (!matches || !matches.length) return;
  match = match < 0 && direction < 0 ? matches.length - 1 : (match + direction + matches.length) % matches.length;
  select(matches[match], { focus: true });
  byId("found").textContent = `Match ${(match + 1).toLocaleString("en")} of ${matches.length.toLocaleString("en")}`;
}

// The table --------------------------------------------------------------------------------

function listSlowest() {
  const body = byId("slowest");
  body.replaceChildren();
  for (const wait of model.slowest(SLOWEST, byId("sleeps").checked)) {
    const track = model.waits.track[wait], row = element("tr"), first = element("td"), where = model.texts[model.waits.where[wait]];
    row.dataset.wait = wait;
    first.append(element("button", span(model.waitUs(wait)), { type: "button", onclick: () => select({ kind: "wait", index: wait, track }, { focus: true }) }));
    row.append(first, element("td", model.label(track)), element("td", model.texts[model.waits.reason[wait]]));
    const short = where.replace(/^.*\/(?=[^/]+:\d)/, ""), target = editorLink(where), last = element("td", undefined, { title: where });
    last.append(target ? element("a", short, { href: target }) : short);
    row.append(last);
    body.append(row);
  }
  if (!body.rows.length) {
    body.append(element("tr"));
    body.rows[0].append(element("td", "No task waited.", { colSpan: 4 }));
  }
}

// What happened to hosts, and what was the matter with them, by time.
function listHappenings() {
  const all = [
    ...model.happenings.map(([process, , text, us], index) => ({ kind: "happening", index, process, us, what: text })),
    ...model.spells.map(([process, , state, us, end], index) => ({ kind: "spell", index, process, us, what: `${/^can't|^packets/.test(state) ? "" : "is "}${state} for ${span(end - us)}` })),
  ].sort((one, other) => one.us - other.us);
  byId("happened").hidden = !all.length;
  for (const item of all.slice(0, HAPPENED)) {
    const row = element("tr"), first = element("td");
    first.append(element("button", clock(item.us), { type: "button", onclick: () => select(item, { focus: true }) }));
    row.append(first, element("td", item.process < 0 ? "" : model.processes[item.process]), element("td", item.what));
    byId("happenings").append(row);
  }
  if (all.length > HAPPENED) {
    const row = element("tr");
    row.append(element("td", `${(all.length - HAPPENED).toLocaleString("en")} more`, { colSpan: 3 }));
    byId("happenings").append(row);
  }
}

// Mouse, fingers and keys ---------------------------------------------------------------------

function watchPointer() {
  const canvas = byId("chart"), fingers = new Map();
  let moved = 0, apart = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
    moved = apart = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) { hover(event); return; }
    byId("tip").hidden = true;
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    fingers.set(event.pointerId, event);
    moved += Math.abs(dx) + Math.abs(dy);
    if (fingers.size === 2) {
      const [one, other] = fingers.values(), now = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      if (apart && now) chart.zoom(apart / now, (one.clientX + other.clientX) / 2 - canvas.getBoundingClientRect().left);
      apart = now;
    } else if (moved > 3) {
      canvas.classList.add("dragging");
      chart.pan(-dx);
      if (event.pointerType === "mouse") chart.scroller.scrollTop -= dy;
    }
  });
  const lift = (event) => {
    const wasOnly = fingers.size === 1;
    fingers.delete(event.pointerId);
    canvas.classList.remove("dragging");
    if (event.type !== "pointerup" || !wasOnly || moved > 3) return;
    const item = chart.at(...inside(event, canvas));
    if (item && item.kind === "host") open(item.process);
    select(item);
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => { byId("tip").hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) chart.pan(event.deltaX || event.deltaY);
    else chart.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 250), inside(event, canvas)[0]);
  }, { passive: false });
  const overview = byId("overview"), jump = (event) => {
    const width = chart.to - chart.from, middle = (inside(event, overview)[0] / overview.clientWidth) * chart.axis.length;
    chart.look(middle - width / 2, middle + width / 2);
  };
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); jump(event); });
  overview.addEventListener("pointermove", (event) => { if (event.buttons) jump(event); });
}

function inside(event, canvas) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function hover(event) {
  const item = chart.at(...inside(event, byId("chart"))), tip = byId("tip");
  tip.hidden = !item;
  if (!item) return;
  const [title, rows] = describe(item), short = rows.filter(Boolean).slice(0, 2);
  tip.textContent = `${title}: ${short.map(([name, value]) => `${name} ${value.textContent || value}`).join(", ")}`;
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18}px`;
}

// The next row's task, or the next host.
function neighbourTask(direction) {
  const items = model.rows.flatMap(({ title, process, tracks }) => (
    title ? [{ kind: "host", index: process, process }] : tracks.map((track) => ({ kind: "track", index: track, track }))
  ));
  if (!items.length) return;
  const { selected } = chart, isSame = (item) => selected.process !== undefined ? item.process === selected.process : item.track === selected.track;
  const now = selected ? items.findIndex(isSame) : direction > 0 ? -1 : 0;
  select(items[(now + direction + items.length) % items.length], { focus: true });
}

// The next packet of a host, in the order in which they were sent.
function neighbourPacket(direction) {
  const { kind, index, process } = chart.selected, mine = model.packetsOf[process] || [];
  if (!mine.length) return;
  const now = kind === "packet" ? mine.indexOf(index) : direction > 0 ? -1 : mine.length;
  const next = mine[Math.max(0, Math.min(mine.length - 1, now + direction))];
  select({ kind: "packet", index: next, process }, { focus: true });
}

function neighbourStep(direction) {
  if (!chart.selected) { neighbourTask(1); return; }
  if (chart.selected.process !== undefined) { neighbourPacket(direction); return; }
  const { track, kind, index } = chart.selected, mine = model.stepsOf[track], { waits } = model;
  let at = direction > 0 ? -1 : mine.length;
  if (kind === "step") at = mine.indexOf(index);
  if (kind === "wait") at = direction > 0 ? mine.indexOf(waits.after[index]) : waits.before[index] < 0 ? mine.length : mine.indexOf(waits.before[index]);
  const step = mine[Math.max(0, Math.min(mine.length - 1, at + direction))];
  select({ kind: "step", index: step, track }, { focus: true });
}

const KEYS = {
  "+": () => chart.zoom(0.5), "=": () => chart.zoom(0.5), "-": () => chart.zoom(2), "0": () => chart.all(),
  ArrowLeft: () => chart.pan(-120), ArrowRight: () => chart.pan(120),
  ArrowUp: () => { chart.scroller.scrollTop -= 3 * chart.rowHeight; }, ArrowDown: () => { chart.scroller.scrollTop += 3 * chart.rowHeight; },
  Home: () => chart.look(0, chart.to - chart.from), End: () => chart.look(chart.axis.length - (chart.to - chart.from), chart.axis.length),
  j: () => neighbourTask(1), k: () => neighbourTask(-1), n: () => neighbourStep(1), p: () => neighbourStep(-1),
  t: () => {
    const { selected } = chart, process = selected && (selected.process === undefined ? model.tracks[selected.track][0] : selected.process);
    if (model.hasLanes && process >= 0) open(process);
  },
  e: () => { const target = chart.selected && editorLink(chart.selected.process === undefined && whereOf(chart.selected)); if (target) location.href = target; },
  f: () => showFailure(),
  z: () => chart.selected && select(chart.selected, { focus: true, close: true }), Escape: () => select(null),
};

function showFailure() {
  const { failing } = model.about;
  if (failing >= 0) select({ kind: "step", index: failing, track: model.steps.track[failing] }, { focus: true });
}

function watchKeys() {
  byId("chart").addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.tagName === "INPUT") return;
    event.preventDefault();
    byId("search").focus();
  });
  byId("search").addEventListener("input", (event) => search(event.target.value));
  byId("search").addEventListener("keydown", (event) => { if (event.key === "Enter") goTo(event.shiftKey ? -1 : 1); });
}

// The beginning ------------------------------------------------------------------------------

function begin() {
  const { about } = model, hosts = model.processes.filter((name) => name !== "the world").length || 1, tasks = model.tracks.filter(([, , coroutine]) => coroutine).length;
  byId("title").textContent = about.program || "A run";
  byId("summary").textContent = [
    about.seed !== undefined && `seed ${about.seed}`, `${clock(model.end)} virtual`, number(hosts, "host"),
    number(tasks, "task"), number(model.count, "step"), number(model.messages.sender.length, "message"),
    model.packets.kind.length && number(model.packets.kind.length, "packet"),
    about.cut ? "the trace was cut off" : about.complete === false && "the run was broken off",
    about.status ? `ended with status ${about.status}` : "", about.digest && `digest ${about.digest}`,
  ].filter(Boolean).join(" · ");
  byId("error").textContent = about.error || "";
  byId("failing").hidden = !(about.failing >= 0);
  byId("failing").onclick = showFailure;
  document.querySelectorAll(".of-hosts").forEach((each) => { each.hidden = !model.hasLanes; });
  document.querySelectorAll(".of-packets").forEach((each) => { each.hidden = !model.packets.kind.length; });
  byId("tasks").checked = model.expanded.size > 0;
  byId("tasks").onchange = (event) => { model.processes.forEach((_, process) => model.toggle(process, event.target.checked)); chart.resize(); chart.draw(); };
  byId("packets").onchange = (event) => { chart.showsPackets = event.target.checked; chart.draw(); };
  const isSleep = model.waitKinds.reduce((sum, kind) => sum + (kind === 0), 0);
  byId("sleeps").checked = isSleep > 0 && isSleep < model.waitKinds.length;
  byId("sleeps").onchange = listSlowest;
  byId("squeeze").checked = chart.squeezed;
  byId("squeeze").onchange = (event) => chart.squeeze(event.target.checked);
  byId("arrows").onchange = (event) => { chart.showsArrows = event.target.checked; chart.draw(); };
  byId("in").onclick = () => chart.zoom(0.5);
  byId("out").onclick = () => chart.zoom(2);
  byId("all").onclick = () => chart.all();
  byId("previous").onclick = () => goTo(-1);
  byId("next").onclick = () => goTo(1);
  chart.onpaint = () => {
    const from = Math.max(0, chart.from), to = Math.min(chart.axis.length, chart.to);
    const fromUs = chart.axis.timeAt(from), toUs = chart.axis.timeAt(to), digits = toUs - fromUs > SECOND ? 3 : 9;
    byId("range").textContent = `Seen: ${clock(fromUs, digits)} to ${clock(toUs, digits)} (${span(toUs - fromUs)})${chart.left ? `; ${number(chart.drawn.length, "message")} drawn of ${(chart.drawn.length + chart.left).toLocaleString("en")}` : ""}${chart.packetsLeft ? `; ${number(chart.packetsDrawn.length, "packet")} drawn of ${(chart.packetsDrawn.length + chart.packetsLeft).toLocaleString("en")}` : ""}`;
  };
  chart.scroller.addEventListener("scroll", () => chart.draw());
  addEventListener("resize", () => { chart.resize(); chart.draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { chart.readColors(); chart.draw(); });
  watchPointer();
  watchKeys();
  search("");
  listSlowest();
  listHappenings();
  if (!chart.canDraw) { document.body.classList.add("no-canvas"); byId("found").textContent = "This browser draws no canvas, so there is no timeline; the tables below tell the run."; }
  chart.marks = about.marks || [];
  chart.all();
  if (about.focus !== undefined) beginAt(about.focus);
}

// Beside another run: at the first step that is not the same in both.
function beginAt(step) {
  const { begin, end, length } = chart.axis, room = Math.max(chart.squeezed ? 40 : 0, length / 50);
  select({ kind: "step", index: step, track: model.steps.track[step] }, { focus: true });
  chart.look((begin[step] + end[step] - room) / 2, (begin[step] + end[step] + room) / 2);
}

begin();
