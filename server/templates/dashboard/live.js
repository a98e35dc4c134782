// Asks every five seconds whether the page has changed, and only then draws it anew: the focus
// stays where it was, and a reader of the screen hears the new standing, not the page.
"use strict";
const EVERY_MS = 5000;
let tag = null;

async function look() {
  const live = document.getElementById("live");
  try {
    const answer = await fetch(location.href, tag ? { headers: { "If-None-Match": tag } } : {});
    if (answer.status === 200) {
      tag = answer.headers.get("ETag");
      draw(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } else if (answer.status !== 304) {
      throw new Error(answer.status);
    }
    if (live.classList.contains("lost")) say(live, "The dashboard answers again.", false);
  } catch {
    say(live, "The dashboard does not answer: what you see may be old.", true);
  }
}

function draw(fresh) {
  for (const part of ["nav", "main"]) {
    const old = document.querySelector(part), next = fresh.querySelector(part);
    if (!next || old.innerHTML === next.innerHTML) continue;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    old.innerHTML = next.innerHTML;
    restore(old, focused);
    if (part === "main") say(document.getElementById("live"), old.querySelector(".standing").textContent, false);
  }
}

function restore(part, focused) {
  if (!focused || focused === part) return;
  const same = focused.id
    ? document.getElementById(focused.id)
    : [...part.querySelectorAll("a")].find((link) => link.href === focused.href);
  (same || document.getElementById("page")).focus({ preventScroll: true });
}

function say(live, words, lost) {
  live.classList.toggle("lost", lost);
  if (live.textContent !== words) live.textContent = words;
}

setInterval(look, EVERY_MS);
