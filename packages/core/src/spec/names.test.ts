/** Names survive the way from text to bytes and back; what is no UTF-8 keeps its bytes. */
import { expect, test } from "vitest";
import { nameFromBytes, nameFromUtf8, namesToUtf8, nameToBytes, nameToUtf8 } from "./names.ts";

const TEXTS = [
  "",
  "plain.txt",
  "\u0000\u007f",
  "é",
  "naïve/Ärger.txt",
  "日本語",
  "🙂",
  "\u0080",
  "a name that is longer than a loop likes",
  "a long name with ümlauts in the middle of it",
];

test.each(TEXTS)("%j as bytes is its UTF-8, and comes back", (text) => {
  const name = nameFromUtf8(text);
  expect(nameToBytes(name)).toEqual(new TextEncoder().encode(text));
  expect(nameToUtf8(name)).toBe(text);
});

test("names are turned into text one by one, or all at once", () => {
  const names = TEXTS.map(nameFromUtf8);
  expect(namesToUtf8(names)).toEqual(TEXTS);
  const ascii = ["a", "b"].map(nameFromUtf8);
  expect(namesToUtf8(ascii)).toEqual(["a", "b"]);
});

test("bytes that are no UTF-8 stay as they are in a name, and are replaced in text", () => {
  const bytes = Uint8Array.of(0x61, 0xff, 0x80, 0x62);
  const name = nameFromBytes(bytes);
  expect(nameToBytes(name)).toEqual(bytes);
  expect(nameToUtf8(name)).toBe("a\ufffd\ufffdb");
});
