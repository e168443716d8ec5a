// Updates the page without reloading it: polls with the ETag and gets 304 while the data is unchanged. Otherwise it
// changes the old tree into the new one node by node, so that scroll position, focus, selection and open <details> stay.
// The page is complete without this script.
"use strict";
(() => {
  const EVERY = 3000, PATIENCE = 10000;
  const STEPS = [["d", 172800, 86400], ["h", 7200, 3600], ["m", 120, 60], ["s", 5, 1]]; // as in texts/language.py
  const body = document.body, said = body.dataset;
  const live = document.getElementById("live"), lost = document.getElementById("lost");
  let etag = said.etag, skew = Date.now() - Date.parse(said.now), good = said.now, timer = 0;

  const ago = (then) => {
    const seconds = Math.floor((Date.now() - skew - Date.parse(then)) / 1000);
    const step = STEPS.find(([, start]) => seconds >= start);
    const words = said["ago" + (step ? step[0][0].toUpperCase() : "Now")];
    return step ? words.replace("{n}", Math.floor(seconds / step[2])) : words;
  };
  const age = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const words = ago(time.dateTime);
      if (time.textContent !== words) time.textContent = words;
    }
  };

  const alike = (old, fresh) => old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && (old.id || "") === (fresh.id || "");
  const attributes = (old, fresh) => {
    const kept = (name) => name === "open" || name === "hidden";
    for (const { name } of [...old.attributes]) if (!kept(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (!kept(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  };
  const become = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    attributes(old, fresh);
    const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    let at = old.firstChild;
    for (const want of fresh.childNodes) {
      while (at && at.nodeType === Node.TEXT_NODE && want.nodeType !== Node.TEXT_NODE) {
        const spare = at;
        at = at.nextSibling;
        spare.remove();
      }
      const have = (want.id && named.get(want.id)) || (at && alike(at, want) ? at : null);
      if (!have) old.insertBefore(document.importNode(want, true), at);
      else {
        if (have === at) at = at.nextSibling;
        else old.insertBefore(have, at);
        become(have, want);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  };

  const show = (text, header) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    if (page.body.dataset.build !== said.build) return location.reload();
    const focused = document.activeElement;
    for (const id of ["repo", "main"]) become(document.getElementById(id), page.getElementById(id));
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true }); // the node was moved
    document.title = page.title;
    skew = Date.now() - Date.parse(page.body.dataset.now);
    good = page.body.dataset.now;
    etag = header;
  };
  const reached = (yes) => {
    body.classList.toggle("stale", !yes);
    live.classList.toggle("on", yes);
    lost.hidden = yes;
    const words = yes ? "" : said.lost.replace("{time}", new Date(good).toLocaleTimeString());
    if (lost.textContent !== words) lost.textContent = words;
    if (yes) live.textContent = said.live;
  };
  const ask = async () => {
    const answer = await fetch(location.href, { headers: { "If-None-Match": etag }, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (answer.status === 200 || answer.status === 404) show(await answer.text(), answer.headers.get("ETag") || "");
    else if (answer.status !== 304) throw new Error(answer.statusText);
    else good = new Date(Date.now() - skew).toISOString();
  };
  const poll = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      await ask();
      reached(true);
    } catch {
      reached(false);
    }
    age();
    clearTimeout(timer);
    timer = setTimeout(poll, EVERY);
  };

  document.addEventListener("visibilitychange", () => document.hidden || poll());
  setInterval(age, 1000);
  poll();
})();
