import { Injectable } from '@nestjs/common';

/** What the HTTP server is doing, and why it wants no further requests just now, although it answers. */
@Injectable()
export class ServerState {
  /** It was told to end: each answer closes its connection, and soon nothing is accepted any more. */
  draining = false;
  /** It has more requests than it can answer in time, and refuses some of them. */
  shedding = false;
  /** Requests that were refused because there were too many, since the start. */
  shed = 0;
  /** Requests for a signature that were admitted and have no answer yet. */
  underWay = 0;
  /** Requests for a signature that were admitted and answered, since the start. */
  answered = 0;
}
