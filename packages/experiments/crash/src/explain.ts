/** Tell a person what a crash state lost, and which stores it lacked. */

export interface CrashExplanation {
  readonly id: string;
  /** Lines of text, for a person. */
  readonly text: string;
}
