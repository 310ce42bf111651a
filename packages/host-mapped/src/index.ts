/** Files of the host as mapped memory: see mapper.ts. */
export { ffiMapper, type FfiMapperOptions } from "./mapper.ts";
