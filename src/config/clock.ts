import { Injectable } from '@nestjs/common';

/** A moment by two clocks, in milliseconds: the monotonic one may stop while the machine sleeps, the wall clock can be set. */
export interface ClockReading {
  readonly monotonic: number;
  readonly wall: number;
}

/** The clocks of this machine. Injected, so that a test can let time pass. */
@Injectable()
export class Clock {
  read(): ClockReading {
    return { monotonic: performance.now(), wall: Date.now() };
  }

  /** Milliseconds since a reading, by the clock on which more have passed. */
  elapsedSince({ monotonic, wall }: ClockReading): number {
    return Math.max(performance.now() - monotonic, Date.now() - wall);
  }
}
