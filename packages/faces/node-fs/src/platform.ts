/**
 * What the face takes from where it runs: byte buffers as the callers know them, texts in other
 * encodings, and how values are shown in messages. index.ts brings Node's, browser.ts one of its own;
 * nothing else in this folder asks for either.
 */

export interface Platform {
  /** `size` bytes, not cleared. */
  allocate(size: number): Uint8Array;
  /** The bytes of `view`, not copied, as the kind of buffer that callers expect. */
  wrap(view: Uint8Array): Uint8Array;
  isEncoding(name: string): boolean;
  /** The bytes of a text. `encoding` is one that `isEncoding` accepts; others mean UTF-8. */
  encode(text: string, encoding: string): Uint8Array;
  /** Bytes as text; what does not fit the encoding is replaced. */
  decode(bytes: Uint8Array, encoding: string): string;
  /** The path of a file: URL. @throws TypeError as Node's fileURLToPath */
  fileUrlToPath(url: URL): string;
  /** A value as it is shown in the message of an error. */
  inspect(value: unknown): string;
  /** Milliseconds since the epoch, for a time that means "now". */
  now(): number;
  emitWarning(message: string, name: string, code?: string): void;
}
