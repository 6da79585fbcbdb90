/** Loads a module as it was built: what starts processes, or loads migrations by name, runs from there and not from the sources. */
export async function built<Module>(path: string): Promise<Module> {
  return (await import(new URL(`../../dist/${path}`, import.meta.url).href)) as Module;
}
