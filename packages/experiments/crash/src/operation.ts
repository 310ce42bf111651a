/** Stands in for the operation union of @xiplab/testkit until that has landed. */
export interface Operation {
  readonly op: string;
}
