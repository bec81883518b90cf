import { announce, byId } from "./dom.js";

const TRIED = "b158-reloaded-for-isolation";
/** The first visit waits so long for the service worker, so that it sees the engine pass and keeps it. */
const WAIT_MS = 4000;

/**
 * Installs the service worker: the page for the time without a network, and the headers for threads where the host sends none. For
 * those the page has to be loaded once more; then this promise never ends.
 *
 * @returns why the page is not cross-origin isolated, if it is not.
 */
export async function setUpServiceWorker(): Promise<string | undefined> {
  if (!import.meta.env.PROD) return crossOriginIsolated ? undefined : "the development server sends no headers for it";
  try {
    await install();
  } catch (error) {
    return crossOriginIsolated ? undefined : error instanceof Error ? error.message : String(error);
  }
  if (crossOriginIsolated) {
    sessionStore("removeItem");
    return undefined;
  }
  // Once only, however it ends.
  if (sessionStore("getItem") === null && sessionStore("setItem") === "set") {
    location.reload();
    return new Promise(() => undefined);
  }
  return window.parent === window
    ? "the headers that its service worker adds did not help in this browser; they must come from the server"
    : "it stands in a frame of another page, which would have to be isolated itself";
}

async function install(): Promise<void> {
  if (!("serviceWorker" in navigator)) throw new Error(isSecureContext ? "this browser has no service workers here" : "it did not come over https");
  const workers = navigator.serviceWorker;
  const taken = new Promise<void>((done) => {
    workers.addEventListener("controllerchange", () => {
      done();
    });
  });
  let registration: ServiceWorkerRegistration;
  try {
    registration = await workers.register("./sw.js", { updateViaCache: "none" });
  } catch (cause) {
    throw new Error(`its service worker could not be installed (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
  watchForUpdates(registration);
  // With one that is active already, the page is in its hands, or was reloaded past it on purpose.
  if (workers.controller || registration.active) return;
  const failed = new Promise<never>((_, fail) => {
    registration.installing?.addEventListener("statechange", ({ target }) => {
      if (target instanceof ServiceWorker && target.state === "redundant") fail(new Error("its service worker could not be installed"));
    });
  });
  await Promise.race([taken, failed, new Promise((late) => setTimeout(late, WAIT_MS))]);
}

/** A new build waits until somebody wants it: what is on the sheet would be gone. */
function watchForUpdates(registration: ServiceWorkerRegistration): void {
  const offer = (waiting: ServiceWorker) => {
    byId("update").hidden = false;
    announce("A new version of this page is there");
    byId("update-accept").onclick = () => {
      navigator.serviceWorker.addEventListener("controllerchange", () => {
        location.reload();
      });
      waiting.postMessage("activate");
    };
  };
  if (registration.waiting && navigator.serviceWorker.controller) offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const { installing } = registration;
    installing?.addEventListener("statechange", () => {
      if (installing.state === "installed" && navigator.serviceWorker.controller) offer(installing);
    });
  });
}

/** Without a session storage there is no knowing whether the page has been reloaded, and it is not. */
function sessionStore(what: "getItem" | "setItem" | "removeItem"): string | null {
  try {
    if (what === "setItem") {
      sessionStorage.setItem(TRIED, "1");
      return "set";
    }
    if (what === "getItem") return sessionStorage.getItem(TRIED);
    sessionStorage.removeItem(TRIED);
    return null;
  } catch {
    return null;
  }
}
