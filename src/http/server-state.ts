import { Injectable } from '@nestjs/common';

/** Why the service wants no further requests just now, although it answers. */
@Injectable()
export class ServerState {
  /** It was told to end: each answer closes its connection, and soon nothing is accepted any more. */
  draining = false;
  /** It has more requests than it can answer in time, and refuses some of them. */
  shedding = false;
}
