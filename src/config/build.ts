import packageJson from '#package' with { type: 'json' };

/** What runs here; `commit` is undefined where the build did not say it (`GIT_COMMIT`). */
export const BUILD = {
  version: packageJson.version,
  commit: process.env.GIT_COMMIT === '' ? undefined : process.env.GIT_COMMIT,
  node: process.version,
} as const;
