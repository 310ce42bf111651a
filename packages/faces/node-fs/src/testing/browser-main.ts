/** Runs the browser entry in a process that has lost what only Node has; prints what it saw. */
import { mkfs, mount, Pmem } from "@xiplab/core";
import { plain } from "@xiplab/plain";
import { createFs } from "../browser.ts";

const { stdout } = process;
for (const name of ["Buffer", "process", "setImmediate", "clearImmediate", "require"]) {
  Reflect.deleteProperty(globalThis, name);
}

const DEVICE_SIZE = 4 * 1024 * 1024;
const device = new Pmem(DEVICE_SIZE);
mkfs(plain, device);
const fs = createFs(mount(plain, device));

function codeOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
}

fs.mkdirSync("/d/e", { recursive: true });
fs.writeFileSync("/d/file", "hällo");
const fd = fs.openSync("/d/raw", "w+");
fs.writeSync(fd, new Uint8Array([1, 2, 3]));
fs.closeSync(fd);
fs.rmdirSync("/d/e");
const seen = {
  text: fs.readFileSync("/d/file", "utf8"),
  bytes: fs.readFileSync("/d/raw").constructor.name,
  base64: fs.readFileSync("/d/file", "base64"),
  names: fs.readdirSync("/d"),
  fd,
  code: codeOf(() => fs.statSync("/missing")),
  refused: codeOf(() => fs.statSync(1 as unknown as string)),
  later: await fs.promises.readFile("/d/file", "utf8"),
  loaded: typeof Buffer === "undefined",
};
stdout.write(JSON.stringify(seen));
