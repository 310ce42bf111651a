/**
 * Proven here: what /dev/fuse and mount(8) refuse comes as an error that says why. That mounting works
 * is proven where mounts are served: apps/cli and apps/programs.
 */
import { FsError } from "@xiplab/core";
import { requireOracle } from "@xiplab/oracles";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DeviceChannel } from "./device-channel.ts";
import { closeFuse, MountError, mountFuse, openFuse, unmountFuse } from "./mount-point.ts";

const missing = requireOracle(["fuse", "mount", "umount"]);

describe.skipIf(missing !== null)("a mount", () => {
  let fd = -1;
  beforeAll(() => {
    fd = openFuse();
  });
  afterAll(() => closeFuse(fd));

  test("a device that is not mounted has no requests, and takes no answers", () => {
    const channel = new DeviceChannel(fd);
    expect(() => channel.receive(new Uint8Array(8192))).toThrow(FsError);
    expect(() => channel.receive(new Uint8Array(8192))).toThrow(/\/dev\/fuse: EPERM/);
    expect(() => channel.send([new Uint8Array(16)])).toThrow(/\/dev\/fuse: EPERM/);
  });

  test("a directory that is not there: what mount(8) said", async () => {
    const mount = mountFuse({ fd, directory: "/nowhere/at/all", source: "image" });
    await expect(mount).rejects.toThrow(MountError);
    await expect(mount).rejects.toMatchObject({ told: expect.stringMatching(/nowhere.*exist/) });
  });

  test("unmounting what is not mounted: what umount(8) said", async () => {
    const error: unknown = await unmountFuse("/nowhere/at/all").catch((error: unknown) => error);
    expect(error).toBeInstanceOf(MountError);
    expect((error as MountError).status).toBeGreaterThan(0);
    expect((error as MountError).message).toMatch(/^umount: .*nowhere/);
  });
});

test("a channel needs a descriptor", () => {
  expect(() => new DeviceChannel(-1)).toThrow(/descriptor/);
});
