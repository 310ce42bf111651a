/** ext4 in its real on-disk format. */
export { Geometry } from "./geometry.ts";
