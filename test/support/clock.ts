import { Clock, type ClockReading } from '../../src/config/clock.js';

/** A clock that a test can put forward, so that nothing has to wait for time to pass. */
export class TestClock extends Clock {
  private offset = 0;

  /** Lets milliseconds pass, by both clocks. */
  advance(ms: number): void {
    this.offset += ms;
  }

  override read(): ClockReading {
    const { monotonic, wall } = super.read();
    return { monotonic: monotonic + this.offset, wall: wall + this.offset };
  }

  override elapsedSince(reading: ClockReading): number {
    return super.elapsedSince(reading) + this.offset;
  }
}
