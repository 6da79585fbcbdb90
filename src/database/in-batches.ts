/** Fetches rows by their keys in one query; what is not there is missing in the answer. */
export type FetchRows<V> = (keys: readonly string[]) => Promise<ReadonlyMap<string, V>>;

/** Fetches one row by its key; undefined: it is not there. */
export type FetchRow<V> = (key: string) => Promise<V | undefined>;

interface Batch<V> {
  readonly keys: Set<string>;
  readonly rows: Promise<ReadonlyMap<string, V>>;
}

/** Fetches in one query all that is asked for in one turn of the event loop: the requests that came meanwhile share a round trip. */
export function inBatches<V>(fetch: FetchRows<V>): FetchRow<V> {
  let gathering: Batch<V> | undefined;
  const gather = (): Batch<V> => {
    const keys = new Set<string>();
    const rows = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      gathering = undefined;
      return fetch([...keys]);
    });
    return { keys, rows };
  };
  return async (key) => {
    const { keys, rows } = (gathering ??= gather());
    keys.add(key);
    return (await rows).get(key);
  };
}
