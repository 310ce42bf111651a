/** A design: a personality with the mount options that are compared. */
import {
  type DataPathName,
  type Personality,
  SoundProtocols,
  type WriteProtocolName,
  WriteProtocolNames,
} from "@xiplab/core";

/** What crosses threads: the personality by its name. */
export interface DesignName {
  readonly personality: string;
  /** Under `data=xip`; null elsewhere: a page cache converts when it writes back. */
  readonly unwritten: WriteProtocolName | null;
  readonly data: DataPathName;
}

export interface Design extends Omit<DesignName, "personality"> {
  readonly personality: Personality;
}

/** In a row: what converts unwritten blocks under a page cache. */
export const WRITEBACK = "writeback";

/** Every protocol under xip, then the page-cache paths, for each personality. */
export function designsOf(
  personalities: readonly string[],
  data: readonly DataPathName[],
  unwritten: readonly WriteProtocolName[] = WriteProtocolNames,
): DesignName[] {
  return personalities.flatMap((personality) =>
    data.flatMap((path): DesignName[] =>
      path === "xip"
        ? unwritten.map((protocol) => ({ personality, data: path, unwritten: protocol }))
        : [{ personality, data: path, unwritten: null }],
    ),
  );
}

export const isSound = (design: Pick<DesignName, "unwritten">): boolean =>
  design.unwritten === null || SoundProtocols.includes(design.unwritten);

/** For `mount`. */
export function mountOptionsOf(design: Pick<DesignName, "data" | "unwritten">): {
  [name: string]: string;
} {
  const { data, unwritten } = design;
  return unwritten === null ? { data } : { data, unwritten };
}

/** Identifies a design in maps and case names: lower-case letters and dashes. */
export const designId = (design: DesignName): string =>
  `${design.personality}-${design.unwritten ?? design.data}`;
