/** Errors of the system under the name that the caller's own operation has. */

interface SystemError extends Error {
  syscall?: string;
}

/** The same error, said to come from `syscall`. What is no error of the system stays as it is. */
export function renamedCall(error: unknown, syscall: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  const failed = error as SystemError;
  const from = `, ${failed.syscall}`;
  failed.message = failed.message.replace(from, `, ${syscall}`);
  failed.syscall = syscall;
  return failed;
}
