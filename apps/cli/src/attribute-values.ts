/** Values of extended attributes as getfattr(1) and setfattr(1) write them. Pure. */
import {
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_USER,
  ACL_USER_OBJ,
  FsError,
  type Name,
  nameToBytes,
  parseAcl,
  XATTR_ACL_ACCESS,
  XATTR_ACL_DEFAULT,
} from "@xiplab/core";
import { argumentBytes } from "./raw-arguments.ts";
import { usage } from "./problem.ts";

export type Encoding = "text" | "hex" | "base64";
export const Encodings: readonly Encoding[] = ["text", "hex", "base64"];

/**
 * A value on one line: text in quotes where all of it is printable, else base64 as "0s…"; or as
 * `encoding` says. Text has ", \, control characters and what is not UTF-8 as \ooo.
 */
export function formatValue(value: Uint8Array, encoding?: Encoding): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const chosen = encoding ?? (isPrintable(bytes) ? "text" : "base64");
  if (chosen === "hex") return `0x${bytes.toString("hex")}`;
  if (chosen === "base64") return `0s${bytes.toString("base64")}`;
  if (isPrintable(bytes)) return `"${bytes.toString().replaceAll(/[\\"]/g, "\\$&")}"`;
  const characters = Array.from(bytes, (byte) => {
    if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
    const isAscii = byte >= 0x20 && byte < 0x7f;
    return isAscii ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`;
  });
  return `"${characters.join("")}"`;
}

// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\ufffd]/;
const isPrintable = (bytes: Buffer): boolean => !UNPRINTABLE.test(bytes.toString());

/**
 * The bytes that a value on the command line stands for: 0x and hexadecimal digits, 0s and base64,
 * or text, in quotes or without. @throws Problem (usage)
 */
export function parseValue(text: string): Uint8Array {
  if (/^0x/i.test(text)) {
    const digits = text.slice(2);
    if (/^([0-9a-f]{2})*$/i.test(digits)) return new Uint8Array(Buffer.from(digits, "hex"));
    throw usage(`'${text}' begins with 0x and is not hexadecimal digits, two for each byte`);
  }
  if (/^0s/i.test(text)) {
    const digits = text.slice(2);
    const bytes = Buffer.from(digits, "base64");
    if (bytes.toString("base64") === digits) return new Uint8Array(bytes);
    throw usage(`'${text}' begins with 0s and is not base64`);
  }
  const bytes = argumentBytes(text);
  const quoted = bytes.length >= 2 && bytes[0] === 0x22 && bytes.at(-1) === 0x22;
  return new Uint8Array(quoted ? unescaped(bytes.subarray(1, -1)) : bytes);
}

/** Text without its escapes: "\\" and a character, or three octal digits. */
function unescaped(bytes: Buffer): Buffer {
  // A character per byte: nothing here may change one.
  const text = bytes.toString("latin1");
  const plain = text.replaceAll(/\\([0-3][0-7]{2}|.)/gs, (_, told: string) =>
    told.length === 3 ? String.fromCharCode(Number.parseInt(told, 8)) : told,
  );
  return Buffer.from(plain, "latin1");
}

const TAGS: Readonly<Record<number, string>> = {
  [ACL_USER_OBJ]: "user",
  [ACL_USER]: "user",
  [ACL_GROUP_OBJ]: "group",
  [ACL_GROUP]: "group",
  [ACL_MASK]: "mask",
  [ACL_OTHER]: "other",
};

/** An access control list as getfacl(1) writes it, "user::rw-,user:1000:r--"; null for anything else. */
export function aclText(name: Name, value: Uint8Array): string | null {
  if (name !== XATTR_ACL_ACCESS && name !== XATTR_ACL_DEFAULT) return null;
  try {
    return parseAcl(value)
      .map(({ tag, perm, id }) => {
        const who = tag === ACL_USER || tag === ACL_GROUP ? String(id) : "";
        const bits = ["r", "w", "x"].map((letter, at) => (perm & (4 >> at) ? letter : "-"));
        return `${TAGS[tag]}:${who}:${bits.join("")}`;
      })
      .join(",");
  } catch (error) {
    // Not a list after all: its bytes are shown.
    if (error instanceof FsError) return null;
    throw error;
  }
}

/** For programs: base64 says every value. */
export const valueFields = (name: Name, value: Uint8Array): Record<string, string> => {
  const bytes = Buffer.from(nameToBytes(name));
  const acl = aclText(name, value);
  return {
    name: bytes.toString(),
    base64: Buffer.from(value).toString("base64"),
    ...(isPrintable(Buffer.from(value)) ? { text: Buffer.from(value).toString() } : {}),
    ...(acl === null ? {} : { acl }),
  };
};
