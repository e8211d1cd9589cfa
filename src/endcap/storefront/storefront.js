/**
 * What the storefront's pages do with scripts beyond what they do without: a tab without consent sends its session along
 * with the first page, so that its lists follow it though nothing of it is stored. And menus close on Escape.
 */
import { session } from "/tracker.js";

const settings = document.querySelector("script[data-key]")?.dataset ?? {};

async function followSession() {
  const sent = session();
  if (settings.consent !== "denied" || location.pathname !== "/" || !sent.length) return;
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("/", { method: "POST", headers, body: JSON.stringify(sent) });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [old, made] = [document, page].map((each) => each.querySelectorAll("main > .rail"));
  old.forEach((rail, index) => (made[index] ? rail.replaceWith(made[index]) : rail.remove()));
}

addEventListener("keydown", (pressed) => {
  const open = pressed.key === "Escape" && document.querySelector("details.switch[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});
followSession();
