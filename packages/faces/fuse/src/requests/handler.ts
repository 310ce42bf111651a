/** What answers one kind of request. */
import type { Connection } from "../connection.ts";
import type { Reply } from "../reply.ts";
import type { Request } from "../request.ts";

/** Answer the request, or throw FsError. See reply.ts for the ways to answer. */
export type Handler = (connection: Connection, request: Request, reply: Reply) => void;
