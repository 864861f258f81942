"use strict";
// The page: what people do, and what they are told.

const byId = (id) => document.getElementById(id);
const model = new Model(JSON.parse(byId("data").textContent));
const chart = new Chart(model, byId("chart"), byId("overview"), byId("rows"));
const number = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
const SLOWEST = 100;
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
    if (model.rowOf[item.track] < 0) search("");
    const [begin, end] = chart.placesOf(item);
    chart.show(begin, end, model.rowOf[item.track], close);
  }
  chart.draw();
  tell(item);
  for (const row of byId("slowest").rows) {
    row.classList.toggle("selected", Boolean(item) && item.kind === "wait" && Number(row.dataset.wait) === item.index);
  }
}

function describe(item) {
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

function place(where) {
  const made = element("span", where || "C code, or nowhere known"), source = model.sources[where];
  if (source) made.append(element("br"), code(source));
  return made;
}

function tell(item) {
  const box = byId("details");
  box.replaceChildren();
  if (!item) { box.append(element("p", "Click a step, a wait or a message.", { className: "hint" })); return; }
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
  } else if (item.kind !== "track") {
    add("Task", { kind: "track", index: item.track, track: item.track });
  }
  add("Zoom to it", item, true);
  return box;
}

// Search -----------------------------------------------------------------------------------

function search(query) {
  if (byId("search").value !== query) byId("search").value = query;
  model.search(query);
  model.indexRows();
  match = -1;
  chart.resize();
  chart.draw();
  const found = byId("found"), matches = model.matches;
  byId("previous").disabled = byId("next").disabled = !matches || !matches.length;
  if (!matches) found.textContent = "";
  else if (!matches.length) found.textContent = `Nothing here is called “${query}”.`;
  else found.textContent = `${number(matches.length, "step")} in ${model.rows.length} of ${number(model.allRows.length, "row")}`;
}

function goTo(direction) {
  const { matches } = model;
  if (!matches || !matches.length) return;
  match = match < 0 && direction < 0 ? matches.length - 1 : (match + direction + matches.length) % matches.length;
  const index = matches[match];
  select({ kind: "step", index, track: model.steps.track[index] }, { focus: true });
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
    row.append(element("td", where.replace(/^.*\/(?=[^/]+:\d)/, ""), { title: where }));
    body.append(row);
  }
  if (!body.rows.length) {
    body.append(element("tr"));
    body.rows[0].append(element("td", "No task waited.", { colSpan: 4 }));
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
    if (event.type === "pointerup" && wasOnly && moved <= 3) select(chart.at(...inside(event, canvas)));
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

function neighbourTask(direction) {
  const tracks = model.rows.flatMap((row) => row.tracks);
  if (!tracks.length) return;
  const now = chart.selected ? tracks.indexOf(chart.selected.track) : direction > 0 ? -1 : 0;
  const track = tracks[(now + direction + tracks.length) % tracks.length];
  select({ kind: "track", index: track, track }, { focus: true });
}

function neighbourStep(direction) {
  if (!chart.selected) { neighbourTask(1); return; }
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
  z: () => chart.selected && select(chart.selected, { focus: true, close: true }), Escape: () => select(null),
};

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
  const { about } = model, tasks = model.tracks.filter(([, , coroutine]) => coroutine).length;
  byId("title").textContent = about.program || "A run";
  byId("summary").textContent = [
    about.seed !== undefined && `seed ${about.seed}`, `${clock(model.end)} virtual`, number(model.processes.length, "host"),
    number(tasks, "task"), number(model.count, "step"), number(model.messages.sender.length, "message"),
    about.complete === false && "the run was broken off",
    about.status ? `ended with status ${about.status}` : "", about.digest && `digest ${about.digest}`,
  ].filter(Boolean).join(" · ");
  byId("error").textContent = about.error || "";
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
    byId("range").textContent = `Seen: ${clock(fromUs, digits)} to ${clock(toUs, digits)} (${span(toUs - fromUs)})${chart.left ? `; ${number(chart.drawn.length, "message")} drawn of ${(chart.drawn.length + chart.left).toLocaleString("en")}` : ""}`;
  };
  chart.scroller.addEventListener("scroll", () => chart.draw());
  addEventListener("resize", () => { chart.resize(); chart.draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { chart.readColors(); chart.draw(); });
  watchPointer();
  watchKeys();
  search("");
  listSlowest();
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
