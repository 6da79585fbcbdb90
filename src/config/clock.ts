import { Injectable } from '@nestjs/common';

/** A time by two clocks, in milliseconds: the monotonic one may stop in suspend, the wall clock may be set. */
export type ClockReading = Readonly<Record<'monotonic' | 'wall', number>>;

/** This machine's clocks, injected so that a test can advance them. */
@Injectable()
export class Clock {
  read(): ClockReading {
    return { monotonic: performance.now(), wall: Date.now() };
  }

  /** Milliseconds since a reading, by the clock that advanced more. */
  elapsedSince({ monotonic, wall }: ClockReading): number {
    return Math.max(performance.now() - monotonic, Date.now() - wall);
  }
}
