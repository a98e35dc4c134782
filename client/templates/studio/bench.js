// The plan bench: rows are what is tried, marks in the lanes are handles of rows, and every change
// is asked of the studio at once. One question at a time; the latest is never left unasked.
"use strict";
const WAIT_MS = 180, SLOW_MS = 900, STEP_MIN = 5, PIXELS_A_STEP = 7;
const find = (id) => document.getElementById(id);
const bench = find("bench"), events = find("events"), settings = find("settings");
let timer = null, asking = false, again = false, sent = {}, count = 0, moved = "";

// Rows

function addRow(kind, values = {}, where = events) {
  const made = document.querySelector(`template[data-row="${kind}"]`).content.firstElementChild.cloneNode(true);
  made.id = `row-${++count}`;
  where.append(made);
  for (const [key, value] of Object.entries(values)) {
    const input = field(made, key);
    if (input) input.value = String(value);
  }
  ready(made);
  return made;
}

function ready(row) {
  const legend = row.querySelector("legend");
  for (const input of row.querySelectorAll("[data-field]")) {
    const label = input.closest("label").querySelector("span").textContent;
    input.setAttribute("aria-label", `${legend.textContent}: ${label}`);
  }
  for (const slide of row.querySelectorAll(".slide")) {
    const input = field(row, slide.dataset.slides);
    slide.setAttribute("aria-label", `${legend.textContent}: ${slide.dataset.label}, slider`);
    slide.value = parseFloat(input.value) || 0;
    slide.addEventListener("input", () => {
      const number = Number(slide.value);
      input.value = input.dataset.field === "change" ? `${number < 0 ? "" : "+"}${number}%` : String(number);
      changed();
    });
    input.addEventListener("input", () => { slide.value = parseFloat(input.value) || 0; });
  }
  row.querySelector(".remove").setAttribute("aria-label", `Remove: ${legend.textContent}`);
  row.querySelector(".remove").addEventListener("click", () => remove(row));
  row.addEventListener("input", changed);
  if (row.dataset.lane) makeChip(row);
}

function remove(row) {
  if (row.chip) row.chip.remove();
  const next = row.nextElementSibling || row.previousElementSibling;
  row.remove();
  const there = next ? next.querySelector("input, select") : document.querySelector("[data-add]");
  there.focus();
  changed();
}

const field = (row, key) => row.querySelector(`[data-field="${key}"]`);

function valuesOf(row) {
  const values = {};
  for (const input of row.querySelectorAll("[data-field]")) {
    if (input.type === "checkbox") { if (input.checked) values[input.dataset.field] = true; }
    else if (input.value.trim() !== "") values[input.dataset.field] = input.value.trim();
  }
  return values;
}

function changesNothing(row, values) {
  const neutral = Object.entries(JSON.parse(row.dataset.neutral));
  return neutral.length > 0 && neutral.every(([key, value]) => String(values[key] ?? "") === value);
}

function collect() {
  const scenario = { name: find("name").value.trim() || "A trial", hours: find("hours").value };
  sent = {};
  for (const row of bench.querySelectorAll("#form .row")) {
    const values = valuesOf(row), kind = row.dataset.kind;
    if (changesNothing(row, values)) continue;
    if ("day" in values) values.day = Number(values.day);
    if (kind === "exercise" && "heart_rate_bpm" in values) delete values.intensity;
    if (kind === "target" && !("to_mg_dl" in values)) continue;
    sent[kind] = [...(sent[kind] || []), row];
    if (row.dataset.single) scenario[kind] = values;
    else scenario[kind] = [...(scenario[kind] || []), values];
  }
  return { scenario, day: find("day").value, correction_factor: find("factor").value.trim() };
}

// Marks in the lanes

const hours = () => Number(find("hours").value);

function minuteOf(row) {
  const clock = /^(\d{1,2}):(\d{2})$/.exec(field(row, "at").value.trim());
  if (!clock) return null;
  return 1440 * (Number(field(row, "day").value) - 1) + 60 * Number(clock[1]) + Number(clock[2]);
}

function setMinute(row, minute) {
  const kept = Math.min(Math.max(STEP_MIN * Math.round(minute / STEP_MIN), 0), 60 * hours() - STEP_MIN);
  const two = (number) => String(number).padStart(2, "0");
  field(row, "day").value = String(1 + Math.floor(kept / 1440));
  field(row, "at").value = `${two(Math.floor((kept % 1440) / 60))}:${two(kept % 60)}`;
}

const amountOf = (row) => parseFloat(field(row, row.dataset.amount).value) || 0;

function setAmount(row, amount) {
  const step = Number(row.dataset.step);
  field(row, row.dataset.amount).value = String(Math.max(step * Math.round(amount / step), step));
}

function makeChip(row) {
  const chip = document.createElement("button");
  chip.type = "button";
  chip.className = `chip ${row.dataset.kind}`;
  chip.setAttribute("aria-describedby", "lanes-help");
  row.chip = chip;
  document.querySelector(`.lane[data-lane="${row.dataset.lane}"] .track`).append(chip);
  chip.addEventListener("keydown", (event) => byKey(event, row));
  chip.addEventListener("pointerdown", (event) => grab(event, row));
  place(row);
}

function place(row) {
  const minute = minuteOf(row), chip = row.chip;
  chip.hidden = minute === null || minute >= 60 * hours();
  if (chip.hidden) return;
  chip.style.left = `${(100 * minute) / (60 * hours())}%`;
  const amount = `${field(row, row.dataset.amount).value} ${row.dataset.unit}`;
  const words = `${field(row, "at").value}${hours() > 24 ? `, day ${field(row, "day").value}` : ""}`;
  chip.textContent = amount;
  chip.setAttribute("aria-label", `${row.dataset.title}, ${words}, ${amount}`);
}

function byKey(event, row) {
  const far = event.shiftKey ? 60 : STEP_MIN, step = Number(row.dataset.step);
  const moves = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  if (event.key in moves) {
    const [minutes, amount] = moves[event.key];
    if (minutes) setMinute(row, minuteOf(row) + minutes); else setAmount(row, amountOf(row) + amount);
    changed();
    moved = row.chip.getAttribute("aria-label");
  } else if (event.key === "Enter") field(row, "at").focus();
  else if (event.key === "Delete") remove(row);
  else return;
  event.preventDefault();
}

function grab(event, row) {
  const track = row.chip.parentElement.getBoundingClientRect();
  const from = { x: event.clientX, y: event.clientY, minute: minuteOf(row), amount: amountOf(row) };
  const move = (now) => {
    setMinute(row, from.minute + ((now.clientX - from.x) / track.width) * 60 * hours());
    const steps = Math.trunc((from.y - now.clientY) / PIXELS_A_STEP);
    if (steps) setAmount(row, from.amount + steps * Number(row.dataset.step));
    changed();
  };
  const drop = () => { row.chip.removeEventListener("pointermove", move); };
  row.chip.setPointerCapture(event.pointerId);
  row.chip.addEventListener("pointermove", move);
  row.chip.addEventListener("pointerup", drop, { once: true });
  row.chip.addEventListener("pointercancel", drop, { once: true });
}

// Questions and answers

function changed() {
  for (const row of events.querySelectorAll(".row")) if (row.chip) place(row);
  find("answer").classList.add("stale");
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT_MS);
}

async function ask() {
  if (asking) { again = true; return; }
  asking = true;
  again = false;
  const slow = setTimeout(() => say("The twin is being made and judged: some seconds to a minute."), SLOW_MS);
  const told = await post(bench.dataset.try, collect());
  clearTimeout(slow);
  asking = false;
  if (again) { ask(); return; }
  if (told && told.error) complain(told.error); else if (told) show(told);
}

async function post(path, question) {
  const headers = { "Content-Type": "application/json", "X-Insula-Secret": bench.dataset.secret };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(question) });
    return await answer.json();
  } catch {
    say("The studio does not answer: what you see may be old. Who runs it can start it again.");
    find("answer").classList.add("stale");
    return null;
  }
}

function show(told) {
  const open = [...bench.querySelectorAll("#answer details[open]")].map((one) => one.id);
  find("chart").innerHTML = told.chart;
  find("answer").innerHTML = told.answer;
  for (const id of open) if (find(id)) find(id).open = true;
  find("answer").classList.remove("stale");
  clearErrors();
  say(moved ? `${moved}. ${told.said}` : told.said);
  moved = "";
}

function complain(error) {
  clearErrors();
  const box = find("error"), place = error.place || {};
  box.textContent = `${error.found} ${error.remedy}`.trim();
  box.hidden = false;
  const row = (sent[place.kind] || [])[place.number - 1];
  if (row) {
    const wrong = field(row, place.field) || field(row, row.dataset.amount) || row.querySelector("[data-field]");
    wrong.setAttribute("aria-invalid", "true");
    wrong.setAttribute("aria-describedby", "error");
  }
  say("This could not be tried. The answer below is an older one.");
}

function clearErrors() {
  find("error").hidden = true;
  find("error").textContent = "";
  for (const input of bench.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
}

function say(words) {
  if (find("live").textContent !== words) find("live").textContent = words;
}

// The search

async function plan() {
  const button = find("plan");
  button.disabled = true;
  find("planned").textContent = "The search goes on: some seconds.";
  const told = await post(bench.dataset.plan, { correction_factor: find("factor").value.trim() });
  button.disabled = false;
  if (!told || told.error) { find("planned").textContent = told ? `${told.error.found} ${told.error.remedy}` : ""; return; }
  find("planned").innerHTML = told.planned;
  const take = find("take");
  if (take) take.addEventListener("click", () => putOnBench(JSON.parse(take.dataset.scenario)));
}

function putOnBench(scenario) {
  for (const row of [...settings.querySelectorAll(".row")]) if (row.dataset.kind in scenario) row.remove();
  for (const [kind, parts] of Object.entries(scenario)) {
    for (const part of [parts].flat()) addRow(kind, part, settings);
  }
  changed();
}

for (const row of settings.querySelectorAll(".row")) ready(row);
for (const button of document.querySelectorAll("[data-add]")) {
  button.addEventListener("click", () => { addRow(button.dataset.add).querySelector("input").focus(); changed(); });
}
find("add-other").addEventListener("click", () => { addRow(find("other").value).querySelector("input, select").focus(); changed(); });
for (const id of ["name", "hours", "day", "factor"]) find(id).addEventListener("input", changed);
find("form").addEventListener("submit", (event) => { event.preventDefault(); changed(); });
find("plan").addEventListener("click", plan);
ask();
