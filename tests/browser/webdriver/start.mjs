// A browser that WebDriver drives, and the program that drives it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { Builder } from "selenium-webdriver";

const PROGRAMS = { firefox: ["geckodriver"], webkit: ["xvfb-run", "--auto-servernum", "WebKitWebDriver"] };

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** `name` is firefox or webkit; `environment` is added to the driver's, and so to the browser's. Close what comes back. */
export async function start(name, environment = {}) {
  const capabilities = JSON.parse(await readFile(new URL(`${name}.json`, import.meta.url), "utf8"));
  const port = await freePort();
  const [program, ...options] = PROGRAMS[name];
  // A group of its own, so that the X server goes with it.
  const service = spawn(program, [...options, `--port=${port}`], { detached: true, stdio: "ignore", env: { ...process.env, ...environment } });
  const gone = once(service, "exit");
  const end = async () => {
    process.kill(-service.pid);
    await gone;
  };
  try {
    const browser = await session(`http://127.0.0.1:${port}/`, { browserName: name, ...capabilities });
    return { browser, close: () => browser.quit().finally(end) };
  } catch (error) {
    await end();
    throw error;
  }
}

/** The service takes a moment to listen. */
async function session(url, capabilities) {
  for (let tries = 0; ; tries++) {
    try {
      if ((await fetch(`${url}status`)).ok) break;
    } catch (error) {
      if (tries === 100) throw error;
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  return new Builder().usingServer(url).withCapabilities(capabilities).build();
}
