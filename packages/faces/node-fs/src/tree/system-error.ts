/** Node's SystemError: what went wrong in a walk through a tree, with what the system would say. */

export interface SystemErrorInfo {
  /** As the system calls it: EEXIST. */
  readonly code: string;
  readonly message: string;
  readonly path: string;
  readonly syscall: string;
  /** Positive, unlike that of errors of the system. */
  readonly errno: number;
}

class SystemError extends Error {
  override get name(): string {
    return "SystemError";
  }
  override toString(): string {
    return `${this.name} [${(this as { code?: string }).code}]: ${this.message}`;
  }
}

/** `code`: Node's, such as ERR_FS_CP_EEXIST; `what`: its words for it. */
export function systemErrorOf(code: string, what: string, info: SystemErrorInfo): Error {
  const { syscall, message, path, errno } = info;
  const said = `${syscall} returned ${info.code} (${message}) ${path}`;
  return Object.assign(new SystemError(`${what}: ${said}`), { code, info, errno, syscall, path });
}
