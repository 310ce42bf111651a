/** Directories: linear and hashed. */

/** What is kept in memory of a directory that was looked into. */
export interface DirectoryState {
  /** Logical block in which a name was last added: where to look for room first. */
  lastBlock: number;
}
