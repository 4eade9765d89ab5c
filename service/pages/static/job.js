// Replaces the live part of a job's page by a fresh one every two seconds, until the job is over. The page is whole without it.
"use strict";

const POLL_MILLISECONDS = 2000;

async function refresh() {
  const shown = document.getElementById("live");
  try {
    const answer = await fetch(location.pathname, { cache: "no-store", credentials: "omit" });
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = fresh.getElementById("live");
      if (part !== null) {
        shown.replaceWith(document.adoptNode(part));
        document.title = fresh.title;
        if (part.dataset.live === "no") return;
      }
    }
  } catch {
    // The registry does not answer now; what is shown stays, and the next round asks again.
  }
  setTimeout(refresh, POLL_MILLISECONDS);
}

setTimeout(refresh, POLL_MILLISECONDS);
