/** A package for dpkg, with no script in it. */
import fs from "node:fs";
import path from "node:path";
import { Random } from "../harness/random.ts";

/**
 * Write what `dpkg-deb --build` takes into `directory`, which is not there yet: `count` files, most of
 * them different in each version, some in one version only.
 */
export function writePackage(directory: string, version: number, count: number): void {
  const random = new Random(version);
  const put = (name: string, text: string, mode = 0o644): void => {
    const file = path.join(directory, name);
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    fs.writeFileSync(file, text, { mode });
    fs.utimesSync(file, 1_500_000_000, 1_500_000_000 + version);
  };
  put(
    "DEBIAN/control",
    `Package: xip-things
Version: ${version}
Architecture: all
Maintainer: Xip Lab <xip@example.org>
Description: files to be installed, replaced and removed
`,
  );
  for (let index = 0; index < count; index++) {
    if (index % 11 === version) continue;
    put(`usr/share/xip-things/d${index % 9}/file-${index}`, random.text(50 + random.below(9000)));
  }
  put("usr/bin/xip-thing", `#!/bin/sh\necho ${version}\n`, 0o755);
  fs.linkSync(path.join(directory, "usr/bin/xip-thing"), path.join(directory, "usr/bin/xip-link"));
  fs.symlinkSync("xip-thing", path.join(directory, "usr/bin/xip-symlink"));
}
