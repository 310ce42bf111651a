/** placeholder */
export class LockTable {
  count = 0;
  closed(_i: object, _f: object, _o: object): void {}
}
