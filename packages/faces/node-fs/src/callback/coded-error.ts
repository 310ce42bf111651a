/** Errors with a code of Node's own that only asynchronous forms and trees know. */
import { withCode } from "../errors.ts";

type ErrorClass = typeof Error | typeof TypeError | typeof RangeError;

export const codedError = (kind: ErrorClass, code: string, message: string): Error =>
  withCode(new kind(message), code);

/** The object is not in a state in which this can be done. */
export const invalidState = (what: string): Error =>
  codedError(Error, "ERR_INVALID_STATE", `Invalid state: ${what}`);

export const methodNotImplemented = (name: string): Error =>
  codedError(Error, "ERR_METHOD_NOT_IMPLEMENTED", `The ${name} method is not implemented`);
