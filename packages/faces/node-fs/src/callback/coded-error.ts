/** Errors with a code of Node's own that only asynchronous forms and trees know. */

type ErrorClass = typeof Error | typeof TypeError | typeof RangeError;

/** `code` stands among the error's own properties, as in Node. */
export function codedError(kind: ErrorClass, code: string, message: string): Error {
  return Object.assign(new kind(message), { code });
}

/** The object is not in a state in which this can be done. */
export const invalidState = (what: string): Error =>
  codedError(Error, "ERR_INVALID_STATE", `Invalid state: ${what}`);

export const methodNotImplemented = (name: string): Error =>
  codedError(Error, "ERR_METHOD_NOT_IMPLEMENTED", `The ${name} method is not implemented`);
