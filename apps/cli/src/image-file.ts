/** What a host file must be before it is opened as an image. */
import { statSync } from "node:fs";
import { PAGE_SIZE } from "@xiplab/core/spec";
import { Problem } from "./problem.ts";

/** @throws Problem for what cannot be an image, whatever is in it */
export function refuseFile(image: string, path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new Problem(
      `${image}: no such file`,
      `make an image with: xip mkfs ext4 ${image} --size 64M`,
    );
  }
  if (stat.isDirectory()) throw new Problem(`${image}: is a directory, not an image`);
  if (!stat.isFile()) throw new Problem(`${image}: is not a regular file`);
  if (stat.size === 0) throw new Problem(`${image}: is empty, and no image`);
  if (stat.size % PAGE_SIZE !== 0) {
    throw new Problem(
      `${image}: no image has ${stat.size} bytes: that is no multiple of ${PAGE_SIZE}`,
      "it may have been cut short on its way here",
    );
  }
}
