/** Loaded by --import: every module of Node's that is asked for from here on is an error. */
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context);
    if (resolved.url.startsWith("node:")) throw new Error(`${specifier} is a module of Node`);
    return resolved;
  },
});
