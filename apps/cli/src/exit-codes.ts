/** What the exit status of `xip` means. Printed by `xip --help`, relied on by scripts. */
export const EXIT_OK = 0;
/** The image or the host refused, or part of the work was left out. */
export const EXIT_FAILED = 1;
/** The command line is wrong; nothing was touched. */
export const EXIT_USAGE = 2;
/** The file system in the image has errors. */
export const EXIT_DAMAGED = 3;
/** `compare`: a design was convicted that should be sound, or a negative control was not. */
export const EXIT_VERDICT = 4;
/** Ctrl-C, as shells count it: 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130;

export const ExitCodeHelp: ReadonlyArray<readonly [code: number, meaning: string]> = [
  [EXIT_OK, "done"],
  [EXIT_FAILED, "the operation failed, or part of it was left out (stderr says what)"],
  [EXIT_USAGE, "wrong command line or option; nothing was touched"],
  [EXIT_DAMAGED, "the file system in the image has errors"],
  [EXIT_VERDICT, "compare: a crash verdict differs from what is expected of the design"],
  [EXIT_INTERRUPTED, "interrupted by Ctrl-C"],
];
