/**
 * Proves what the oracle allows a file to look like after a power cut: each rule with the smallest
 * history that shows it. Contents are words; "." is a zero byte.
 */
import { describe, expect, it } from "vitest";
import { MARK } from "@xiplab/testkit";
import { FileHistory } from "./history.ts";

const bytes = (text: string): Uint8Array =>
  Uint8Array.from(text, (letter) =>
    letter === "." ? 0 : letter === "#" ? MARK : letter.charCodeAt(0),
  );

/** A history that was synced with the first content and changed to each of the others. */
function historyOf(synced: string, ...later: string[]): FileHistory {
  const history = new FileHistory();
  history.change(bytes(synced), true, false);
  history.sync();
  for (const content of later) history.change(bytes(content), true, false);
  return history;
}

const judged = (history: FileHistory, content: string): string => {
  const finding = history.judge(bytes(content));
  if (finding === null) return "legal";
  if (finding.ranges.some(({ kind }) => kind === "stale")) return "stale";
  return finding.badSize ? "lost size" : "lost";
};

describe("an overwritten range that was not synced", () => {
  const history = historyOf("aaaa", "abba");
  it.each(["aaaa", "abba", "abaa", "aaba"])("may be %s: each byte old or new", (content) => {
    expect(judged(history, content)).toBe("legal");
  });
  it.each([
    ["a..a", "lost"],
    ["aa#a", "stale"],
    ["aaca", "stale"],
    ["aaa", "lost size"],
    ["bbba", "stale"],
  ])("may not be %s: %s", (content, verdict) => {
    expect(judged(history, content)).toBe(verdict);
  });
});

describe("a finding", () => {
  it("names the illegal bytes in ranges of one kind", () => {
    const history = historyOf("aaaaaaaa", "bbbbbbbb");
    history.sync();
    expect(history.judge(bytes("bbaa##b."))).toEqual({
      badSize: false,
      ranges: [
        { pos: 2, end: 4, kind: "lost" },
        { pos: 4, end: 6, kind: "stale" },
        { pos: 7, end: 8, kind: "lost" },
      ],
    });
  });
});

describe("appended bytes that were not synced", () => {
  const history = historyOf("aa", "aabbb");
  it.each(["aa", "aab", "aabb", "aabbb", "aa...", "aab.b", "aa."])("may be %s", (content) => {
    expect(judged(history, content)).toBe("legal");
  });
  it.each([
    ["a", "lost size"],
    ["aabbb.", "lost size"],
    ["a....", "lost"],
    ["aa#", "stale"],
  ])("may not be %s: %s", (content, verdict) => {
    expect(judged(history, content)).toBe(verdict);
  });
});

describe("what was synced", () => {
  it("must be there", () => {
    const history = historyOf("aa", "bb");
    history.sync();
    expect(judged(history, "bb")).toBe("legal");
    expect(judged(history, "ab")).toBe("lost");
    expect(judged(history, "..")).toBe("lost");
  });

  it("is lost, not stale, where an older value of the same position stands", () => {
    const history = historyOf("a", "b");
    history.sync();
    history.change(bytes("c"), true, false);
    history.sync();
    expect(judged(history, "a")).toBe("lost");
    expect(judged(history, "z")).toBe("stale");
  });

  it("of a range binds that range alone, and a size with which it is read", () => {
    const history = historyOf("aaaa", "bbbb", "bbbbcc");
    history.syncRange(4, 2);
    expect(judged(history, "abbacc")).toBe("legal");
    expect(judged(history, "bbbbc.")).toBe("lost");
    expect(judged(history, "bbbbc")).toBe("lost size");
    history.change(bytes("bbbbdc"), true, false);
    expect(judged(history, "aaaadc")).toBe("legal");
    expect(judged(history, "aaaacc")).toBe("legal");
    expect(judged(history, "aaaa.c")).toBe("lost");
  });
});

describe("a synced range that nobody wrote", () => {
  it("asks for no size: it lies inside the file only since something was written behind it", () => {
    const history = historyOf("aa", "aa....bb");
    history.syncRange(3, 2);
    expect(judged(history, "aa")).toBe("legal");
    expect(judged(history, "aa....bb")).toBe("legal");
    history.syncRange(3, 4);
    expect(judged(history, "aa")).toBe("lost size");
    expect(judged(history, "aa....b")).toBe("legal");
  });
});

describe("truncation", () => {
  it("moves the size at once, and may leave the tail zero or old", () => {
    const history = historyOf("abcd");
    history.change(bytes("ab"), false, false);
    expect(judged(history, "abcd")).toBe("legal");
    expect(judged(history, "ab..")).toBe("legal");
    expect(judged(history, "ab")).toBe("legal");
    expect(judged(history, "abc")).toBe("lost size");
    expect(judged(history, "a..d")).toBe("lost");
  });

  it("takes bytes away for good: they are not there when the file grows again", () => {
    const history = historyOf("abcd");
    history.change(bytes("ab"), false, false);
    history.sync();
    history.change(bytes("ab.."), false, false);
    expect(judged(history, "ab..")).toBe("legal");
    expect(judged(history, "abcd")).toBe("lost");
  });
});

describe("a write that is promised to be atomic", () => {
  const history = historyOf("aaaa");
  history.change(bytes("bbbbbb"), false, true);
  it.each(["aaaa", "bbbbbb"])("may be %s", (content) => {
    expect(judged(history, content)).toBe("legal");
  });
  it.each([
    ["aabb", "lost"],
    ["bbbb", "lost"],
    ["bbbbb", "lost size"],
    ["aaaa..", "lost"],
  ])("may not be %s: %s", (content, verdict) => {
    expect(judged(history, content)).toBe(verdict);
  });

  it("leaves stores through a mapping free to tear", () => {
    const mixed = historyOf("aaaa");
    mixed.change(bytes("bbaa"), false, true);
    mixed.change(bytes("bbcc"), false, false);
    expect(judged(mixed, "aaca")).toBe("legal");
    expect(judged(mixed, "bbac")).toBe("legal");
    expect(judged(mixed, "baca")).toBe("lost");
  });
});
