/** Stands in for the player of operations of @xiplab/testkit until that has landed. */
import type { Vfs } from "@xiplab/core";
import * as testkit from "@xiplab/testkit";
import type { Operation, Result } from "@xiplab/testkit";

interface Player {
  play(operation: Operation): Result;
}
type PlayerClass = new (vfs: Vfs) => Player;

export function newPlayer(vfs: Vfs): Player {
  const { Player } = testkit as unknown as { Player?: PlayerClass };
  if (Player === undefined) throw new Error("@xiplab/testkit has no player of operations yet");
  return new Player(vfs);
}
