// Cross-origin storage as its draft has it (https://wicg.github.io/cross-origin-storage/), for a browser that has none: a module that a
// worker imports first. What all sites share lies on a server, whose address is in `?at=`; `?refuses` is a browser that allows it nowhere.
// `?method=` is another of the names that its method has had.
const { searchParams } = new URL(import.meta.url);
const files = searchParams.get("at");
const refuses = searchParams.has("refuses");

const hex = (digest) => Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");

class CrossOriginStorageManager {
  async requestFileHandle({ algorithm, value }, { create = false, origins } = {}) {
    if (algorithm !== "SHA-256" || !/^[0-9a-f]{64}$/.test(value)) throw new TypeError("no such hash");
    if (refuses) throw new DOMException("the permissions policy forbids it", "NotAllowedError");
    const address = `${files}/${value}`;
    if (!create) {
      const there = await fetch(address);
      if (!there.ok) throw new DOMException("there is none", "NotFoundError");
      const file = new File([await there.blob()], "");
      return { kind: "file", getFile: () => Promise.resolve(file) };
    }
    return {
      kind: "file",
      async createWritable() {
        const written = [];
        let open = true;
        const check = () => {
          if (!open) throw new TypeError("the stream is closed");
        };
        return {
          async write(bytes) {
            check();
            written.push(bytes.slice());
          },
          async close() {
            check();
            open = false;
            const blob = new Blob(written);
            if (hex(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())) !== value) throw new DOMException("another file", "DataError");
            await fetch(`${address}?origins=${encodeURIComponent(origins ?? "")}`, { method: "PUT", body: blob });
          },
          async abort() {
            open = false;
          },
        };
      },
    };
  }
}

const manager = new CrossOriginStorageManager();
const { requestFileHandle } = CrossOriginStorageManager.prototype;
const others = {
  getFileHandle: requestFileHandle,
  requestFileHandles: (hashes, options) => Promise.all(hashes.map((hash) => requestFileHandle(hash, options))),
};
const method = searchParams.get("method");
Object.defineProperty(navigator, "crossOriginStorage", { value: method === null ? manager : { [method]: others[method] } });
