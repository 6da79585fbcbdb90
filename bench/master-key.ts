/** The master key of every app in the benchmark, so that every answer can be checked. */
export const MASTER_KEY = 'bench-master-key';
