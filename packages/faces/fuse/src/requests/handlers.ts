/** Every request that is answered, by opcode. What is not here is ENOSYS, for the connection's life. */
import type { Connection } from "../connection.ts";
import type { Reply } from "../reply.ts";
import type { Request } from "../request.ts";

/** Answer the request, or throw FsError. See reply.ts for the ways to answer. */
export type Handler = (connection: Connection, request: Request, reply: Reply) => void;

export const Handlers: Readonly<Record<number, Handler>> = {};
