/** What a trigger of the migration announce-changes tells. */
export interface Notice {
  readonly table: string;
  /** The keys of the rows that have changed; null: any row may have. */
  readonly keys: readonly (readonly string[])[] | null;
}

/** undefined: no trigger wrote this. */
export function parseNotice(payload: string): Notice | undefined {
  let notice: unknown;
  try {
    notice = JSON.parse(payload);
  } catch {
    return undefined;
  }
  return isNotice(notice) ? notice : undefined;
}

function isNotice(value: unknown): value is Notice {
  if (typeof value !== 'object' || value === null) return false;
  const { table, keys } = value as Record<string, unknown>;
  if (typeof table !== 'string') return false;
  return keys === null || (Array.isArray(keys) && keys.every(isKey));
}

function isKey(value: unknown): boolean {
  return Array.isArray(value) && value.every((part) => typeof part === 'string');
}
