/**
 * Endcap's browser tracker: what shoppers see and do on a shop's pages becomes events under GA4's names.
 *
 * It reads marks in the page (`data-endcap-…`), a dataLayer, and calls of `track`. Before consent nothing is sent or
 * stored. What the server has not acknowledged waits in localStorage, each event under a key of its own so that tabs do
 * not disturb one another; the server counts an id once. docs/tracker.md says it all.
 *
 * @typedef {{item_id: string, index?: number, quantity?: number, price?: number | string}} Item
 * @typedef {"granted" | "denied" | "pending"} Consent
 */

const SEEN_SHARE = 0.5; // of an item in the window, …
const SEEN_MS = 1_000; // … for so long: an impression
const GATHER_MS = 1_000; // for events to go together
const MOST_WAITING = 200; // events; the oldest give way
const MOST_SENT = 40; // events of a call
const OUTLIVES_BYTES = 60_000; // what browsers still send for a page that is gone
const MOST_SESSION = 50; // events sent along with a list
const MOST_PAUSE_S = 60;
const NO_INTEREST = ["view_item_list", "refund", "login", "logout", "leave_item"];
const INTEREST = ["view_item", "select_item", "add_to_wishlist", "add_to_cart", "remove_from_cart", "begin_checkout",
  "purchase"];
const PARAMETERS = ["items", "transaction_id", "currency", "user_id", "event_id", "recommendation_id", "placement",
  "search_term"];

const settings = document.querySelector("script[data-key]")?.dataset ?? {};
const endpoint = settings.endpoint || new URL(import.meta.url).origin;
const login = settings.user && { user_id: settings.user };
const recordedElsewhere = (settings.without ?? "").split(" ");

const waiting = new Map(); // event id → what is not acknowledged, the oldest first
const flying = new Set(); // ids of events under way
const counts = { accepted: 0, duplicates: 0, refused: 0, dropped: 0 };
let choice = "pending"; // a Consent
let visitor = "";
let failures = 0; // calls that failed one after the other
let notBefore = 0; // ms UTC
let timer;
let timerAt = Infinity; // ms UTC

// What the browser keeps. It may refuse, by a setting or for want of space; then memory has to do.

const attempt = (storage) => {
  try { return storage(); } catch { return null; }
};
const read = (area, key) => attempt(() => JSON.parse(window[area].getItem(`endcap.${key}`)));
const write = (area, key, value) => attempt(() => window[area].setItem(`endcap.${key}`, JSON.stringify(value)));
const remove = (area, key) => attempt(() => window[area].removeItem(`endcap.${key}`));
const stored = (prefix) => (attempt(() => Object.keys(localStorage)) ?? [])
  .filter((key) => key.startsWith(`endcap.${prefix}`)).map((key) => key.slice(7));
const random = () => // 128 bits; crypto.randomUUID is missing where there is no TLS
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const keepsTab = settings.session === "tab";
const recent = (keepsTab && read("sessionStorage", "session")) || []; // the session, as it is sent along
const device = /Mobi/.test(navigator.userAgent) ? "mobile" : "desktop";
const host = attempt(() => new URL(document.referrer).host);
const referrer = host && host !== location.host ? host : ""; // how the shopper came
const ledBy = new Map(); // item → the list in which it was clicked

/**
 * Tells the shopper's choice. `granted`: what waited in memory is sent, and all from now on. `denied`: what waits or is
 * stored goes; lists follow the session that is sent along. `pending`: nothing is sent or stored.
 * @param {Consent} told
 */
export function consent(told) {
  if (!["granted", "denied", "pending"].includes(told)) {
    throw new TypeError(`endcap: consent is granted, denied or pending, not ${told}`);
  }
  if (told === choice) return;
  choice = told;
  if (told === "denied") {
    for (const each of [waiting, shown, ledBy]) each.clear();
    visitor = "";
    for (const key of stored("")) remove("localStorage", key);
    remove("sessionStorage", "led");
  } else if (told === "granted") {
    visitor = settings.visitor || read("localStorage", "visitor") || random();
    if (!settings.visitor) write("localStorage", "visitor", visitor);
    for (const [id, list] of read("sessionStorage", "led") ?? []) ledBy.set(id, list);
    const all = [...stored("event.").map((key) => read("localStorage", key)), ...waiting.values()].filter(Boolean);
    waiting.clear();
    for (const event of all.sort((one, other) => one.time - other.time)) keep(event);
    flushIn(0);
    engagedMs = 0;
    for (const [element, mark] of watched) look(element, mark.inSight);
  }
}

function keep(event) {
  waiting.set(event.event_id, event);
  if (choice === "granted") {
    event.visitor_id ??= visitor;
    write("localStorage", `event.${event.event_id}`, event);
  }
  if (waiting.size > MOST_WAITING) {
    forget(waiting.keys().next().value);
    counts.dropped += 1;
  }
}

function forget(id) {
  waiting.delete(id);
  remove("localStorage", `event.${id}`);
}

/**
 * Tells an event by its GA4 name and parameters. A purchase is known by its `transaction_id`: a thank-you page that is
 * loaded again counts once.
 * @param {string} name
 * @param {{items?: Item[], [parameter: string]: unknown}} [parameters]
 */
export function track(name, parameters = {}) {
  const items = (parameters.items ?? []).filter((item) => item?.item_id).map(plain);
  const once = name === "purchase" && parameters.transaction_id;
  const event = {
    ...(items.length === 1 && ledBy.get(items[0].item_id)),
    ...login,
    device, page_referrer: referrer, event_id: once ? `purchase:${once}` : random(),
    ...parameters, items, name, time: Date.now(),
  };
  if (items.length && INTEREST.includes(name)) {
    recent.push(bare(event));
    if (recent.length > MOST_SESSION) recent.shift();
    if (keepsTab) write("sessionStorage", "session", recent);
  }
  if (choice === "denied" || recordedElsewhere.includes(name)) return;
  keep(event);
  flushIn(GATHER_MS);
}

const bare = ({ name, time, items }) => ({ name, time, items: items.map(({ item_id }) => ({ item_id })) });

/** @returns {Item} */
const plain = ({ item_id, index, quantity, price }) => ({
  item_id: String(item_id), index: Number(index) || undefined, // from 1
  quantity: Math.trunc(quantity) || undefined, price: price || undefined,
});

/** The session as `POST /v1/recommendations` takes it: this page's events, or the tab's. */
export const session = () => recent.map((event) => ({ ...event }));

/** What became of the events, and how many wait. */
export const status = () => ({ ...counts, waiting: waiting.size, consent: choice });

/**
 * A list for one placement, as the API answers. With consent it is the visitor's, and knows what is under way; without,
 * it follows the session alone and names nobody. `options` are other fields of the call: `anchors`, `k`, `filter` …
 * @param {string} placement
 */
export async function recommend(placement, options = {}) {
  const under = [...waiting.values()].filter(({ items, name }) => items.length && INTEREST.includes(name)).map(bare);
  const asked = choice === "granted"
    ? { visitor_id: visitor, ...login, session: under }
    : { consent: false, session: session() };
  const answer = await call("/v1/recommendations", { context: { device, referrer }, ...options, placement, ...asked });
  const told = await answer.json();
  if (!answer.ok) throw new Error(`endcap: ${told.detail}`);
  return told;
}

function call(path, body, more) {
  const headers = { Authorization: `Bearer ${settings.key}`, "Content-Type": "application/json" };
  return fetch(endpoint + path, { method: "POST", headers, credentials: "omit", body: JSON.stringify(body), ...more });
}

// On the way to the server

function flushIn(ms) {
  const at = Math.max(Date.now() + ms, notBefore);
  if (choice !== "granted" || at >= timerAt) return;
  clearTimeout(timer);
  timerAt = at;
  timer = setTimeout(flush, at - Date.now());
}

/** Sends what waits, now, unless the server asked to be left alone for a while. */
export async function flush() {
  clearTimeout(timer);
  timerAt = Infinity;
  tellSeen();
  const batch = [...waiting.values()].filter(({ event_id }) => !flying.has(event_id)).slice(0, MOST_SENT);
  if (choice !== "granted" || !batch.length) return;
  if (Date.now() < notBefore) return flushIn(0);
  for (const { event_id } of batch) flying.add(event_id);
  await send(batch);
  for (const { event_id } of batch) flying.delete(event_id);
  if (waiting.size) flushIn(0);
}

/** Event ids are the visitor's own, so that nobody can take another's purchase by guessing its number. */
async function send(batch) {
  const events = batch.map((event) => ({
    ...event, event_id: `${event.visitor_id}:${event.event_id}`, user_agent: navigator.userAgent,
  }));
  const keepalive = new Blob([JSON.stringify(events)]).size < OUTLIVES_BYTES;
  const answer = await call("/v1/events", { events }, { keepalive }).catch(() => null); // offline, or the page goes
  const told = answer?.ok && await answer.json().catch(() => null);
  if (told) {
    failures = 0;
    counts.accepted += told.accepted;
    counts.duplicates += told.duplicates;
    counts.refused += told.problems.length;
  } else if (!answer || answer.ok || answer.status >= 500 || [408, 429].includes(answer.status)) {
    failures += 1;
    const pause = Number(answer?.headers.get("retry-after")) || Math.min(2 ** failures, MOST_PAUSE_S);
    notBefore = Date.now() + 1_000 * pause;
    return;
  } else {
    counts.dropped += batch.length;
    console.warn(`endcap: ${answer.status}, ${batch.length} events were dropped`);
  }
  for (const { event_id } of batch) forget(event_id);
}

// What the page shows: lists, items and the item that a page is about

const now = () => performance.now();
const seen = new Set(); // list and item, once a page
let shown = new Map(); // list → the event of what was seen since the last flush
const watched = new Map(); // element → what it is, whether in sight, since when
let viewed = "";
let inSightSince = document.hidden ? 0 : now(); // 0 while the page is hidden
let engagedMs = 0;
let deepest = 0; // per cent

function marked(element) {
  const card = element.closest("[data-endcap-item]");
  const list = element.closest("[data-endcap-list]")?.dataset;
  return {
    card, item_id: card?.dataset.endcapItem, index: card?.dataset.endcapPosition,
    list: list && {
      recommendation_id: list.endcapRecommendation ?? "", placement: list.endcapList, search_term: list.endcapSearch,
    },
  };
}

const sight = new IntersectionObserver((entries) => {
  for (const { target, intersectionRatio } of entries) look(target, intersectionRatio >= SEEN_SHARE);
}, { threshold: [SEEN_SHARE] });

function look(element, inSight) {
  const mark = watched.get(element);
  if (!mark) return;
  mark.inSight = inSight;
  clearTimeout(mark.timer);
  if (inSight && !document.hidden) mark.timer = setTimeout(() => impress(element, mark), SEEN_MS);
}

function impress(element, { key, item_id, index, list }) {
  if (choice === "denied" || seen.has(key)) return;
  sight.unobserve(element);
  seen.add(key);
  const of = `${list.placement} ${list.recommendation_id}`;
  if (!shown.has(of)) shown.set(of, { ...list, items: [] });
  shown.get(of).items.push({ item_id, index });
  flushIn(GATHER_MS);
}

function tellSeen() {
  const events = shown;
  shown = new Map();
  for (const event of events.values()) track("view_item_list", event);
}

/** Looks the page over for new marks; those that are gone are let go. */
function scan() {
  for (const [element, mark] of watched) {
    if (element.isConnected) continue;
    clearTimeout(mark.timer);
    sight.unobserve(element);
    watched.delete(element);
  }
  for (const element of document.querySelectorAll("[data-endcap-list] [data-endcap-item]")) {
    const mark = marked(element);
    const key = JSON.stringify([mark.list, mark.item_id]);
    if (watched.get(element)?.key === key) continue;
    clearTimeout(watched.get(element)?.timer);
    watched.set(element, { ...mark, key });
    sight.unobserve(element);
    sight.observe(element);
  }
  const view = document.querySelector("[data-endcap-view]")?.dataset.endcapView ?? "";
  if (view === viewed) return;
  tellEngaged();
  viewed = view;
  deepest = 0;
  if (view) told("view_item", { items: [{ item_id: view }] });
}

// How long, and how deep

const depth = () => {
  const page = document.documentElement;
  deepest = Math.max(deepest, Math.min(100, Math.round((100 * (scrollY + innerHeight)) / page.scrollHeight)));
};

function tellEngaged() {
  if (inSightSince) engagedMs += now() - inSightSince;
  inSightSince = document.hidden ? 0 : now();
  depth();
  const lasted = Math.round(engagedMs);
  engagedMs = 0;
  if (!viewed || lasted < 100) return;
  track("leave_item", { items: [{ item_id: viewed }], engagement_time_msec: lasted, percent_scrolled: deepest });
}

function leave() {
  tellEngaged();
  flush();
}

// What the shopper does

const ACTIONS = { endcapCart: "add_to_cart", endcapUncart: "remove_from_cart", endcapWish: "add_to_wishlist" };

function clicked(click) {
  const target = click.target instanceof Element ? click.target : click.target?.parentElement;
  if (!target) return;
  const button = target.closest("[data-endcap-cart], [data-endcap-uncart], [data-endcap-wish]")?.dataset;
  const { card, item_id, index, list } = marked(target);
  if (button) {
    const mark = Object.keys(ACTIONS).find((each) => each in button);
    const { endcapQuantity: quantity, endcapPrice: price } = button;
    track(ACTIONS[mark], { ...list, items: [{ item_id: button[mark] || item_id, index, quantity, price }] });
  } else if (list && item_id && (target.closest("a[href]") || !card.querySelector("a[href]"))) {
    ledBy.set(item_id, list);
    if (choice === "granted") write("sessionStorage", "led", [...ledBy].slice(-MOST_SESSION));
    told("select_item", { ...list, items: [{ item_id, index }] });
    flush(); // the next page is on its way
  }
}

// What others tell: a dataLayer that gtag or a tag manager fills

const toldAt = {}; // what → ms
/** Tells what a mark and a dataLayer may both tell: a view or click of the same item within a second is the same. */
function told(name, parameters) {
  const what = `${name} ${parameters.items?.map((item) => item?.item_id)}`;
  const again = ["view_item", "select_item"].includes(name) && now() - toldAt[what] < 1_000;
  toldAt[what] = now();
  if (!again) track(name, parameters);
}

function heard(entry) {
  const [command, name, parameters] = entry?.length === undefined ? [] : entry; // gtag pushes its arguments
  const storage = command === "consent" && parameters?.analytics_storage;
  if (storage === "granted") consent(storage);
  else if (storage) consent(name === "default" ? "pending" : "denied");
  const event = command === "event" ? name : entry?.event;
  if (![...INTEREST, ...NO_INTEREST].includes(event)) return;
  const given = command ? { ...parameters } : { ...entry, ...entry.ecommerce };
  if (/^[\w.:-]{1,64}$/.test(given.item_list_id ?? "")) given.placement ??= given.item_list_id;
  told(event, Object.fromEntries(PARAMETERS.filter((name) => given[name] != null).map((name) => [name, given[name]])));
}

const harmless = (listener) => (value) => {
  try { listener(value); } catch (error) { console.warn("endcap:", error); } // the shop's page goes on
};

function listen() {
  const layer = (window[settings.layer || "dataLayer"] ??= []);
  const hear = harmless(heard);
  layer.forEach(hear);
  const push = layer.push;
  layer.push = (...entries) => {
    entries.forEach(hear);
    return push.apply(layer, entries);
  };
  addEventListener("click", harmless(clicked), { capture: true });
  addEventListener("auxclick", harmless((click) => click.button === 1 && clicked(click)), { capture: true });
  addEventListener("scroll", depth, { passive: true });
  addEventListener("pagehide", leave);
  addEventListener("online", () => { notBefore = 0; flushIn(0); });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) leave();
    else inSightSince = now();
    for (const [element, mark] of watched) look(element, mark.inSight);
  });
  let due;
  const marks = ["data-endcap-list", "data-endcap-recommendation", "data-endcap-item", "data-endcap-view"];
  new MutationObserver(() => { due ??= setTimeout(() => { due = undefined; scan(); }, 100); })
    .observe(document, { subtree: true, childList: true, attributeFilter: marks });
  scan();
}

if (!settings.key) console.warn("endcap: no script element with data-key was found; see docs/tracker.md");
harmless(consent)(settings.consent || (read("localStorage", "visitor") ? "granted" : "pending"));
listen();
