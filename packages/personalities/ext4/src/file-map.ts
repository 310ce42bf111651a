/** What files with extents and files with indirect blocks have in common. */

/** Where the blocks of a file are, in memory. */
export interface FileMap {
  /** Extents, or runs of blocks under indirect blocks, that are known. */
  readonly count: number;
}
