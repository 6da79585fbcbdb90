/** The signals that end a process; SIGHUP comes when its terminal is lost, also under `nohup`, as Node resets it. */
export const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
