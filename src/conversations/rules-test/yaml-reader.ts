import { isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument, visit } from 'yaml';

/** Where something stands in a file, from 1. */
export type Place = Readonly<{ line: number; column: number }>;

export type Fault = Place & { readonly message: string };

/** What is wrong with a file, in its order. */
export class FileFaults extends Error {
  constructor(readonly faults: readonly Fault[]) {
    super(faults.map(({ line, column, message }) => `${line}:${column}: ${message}`).join('\n'));
  }
}

/** A value in the file, with the offset of its first character. */
export interface Value {
  readonly node: ParsedNode | null;
  readonly at: number;
}

/** A key in the file with its value. */
export interface Entry {
  readonly key: string;
  readonly keyAt: number;
  readonly value: Value;
}

/** Characters of a wrong text that a fault shows. */
const MAX_SHOWN = 64;

/**
 * Reads YAML and collects what is wrong, each fault with its place. Every value is a map, a list or a text as it is written, by
 * the "failsafe" schema of YAML 1.2: an id such as 10001, no or 1e3 is no number.
 */
export class YamlReader {
  readonly root: Value;
  private readonly faults: (Fault & { readonly at: number })[] = [];
  private readonly lines = new LineCounter();
  private readonly resolve: (node: ParsedNode) => ParsedNode | undefined;

  /** @throws {FileFaults} when the text is no YAML. */
  constructor(text: string) {
    // Keys that are there twice are found by `entries`, which names them.
    const document = parseDocument(text, {
      schema: 'failsafe',
      lineCounter: this.lines,
      prettyErrors: false,
      uniqueKeys: false,
    });
    for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
      const told = code === 'MULTIPLE_DOCS' ? 'there is more than one document' : message;
      this.refuse(pos[0], `is no YAML that is understood here: ${told}`);
    }
    // The library's own `resolve` searches the whole document for each alias.
    const anchors = new Map<string, ParsedNode>();
    const resolved = new Map<ParsedNode, ParsedNode>();
    visit(document, {
      Alias: (_, alias) => {
        const anchored = anchors.get(alias.source);
        if (anchored !== undefined) resolved.set(alias as ParsedNode, anchored);
        else this.refuse(alias.range?.[0] ?? 0, `no anchor ${shown(alias.source)} is before this`);
      },
      Value: (_, node) => {
        if (node.anchor !== undefined) anchors.set(node.anchor, node as ParsedNode);
      },
    });
    this.resolve = (node) => (isAlias(node) ? resolved.get(node) : node);
    this.requireNoFaults();
    this.root = this.valueOf(document.contents, 0);
  }

  refuse(at: number, message: string): void {
    this.faults.push({ at, ...this.placeOf(at), message });
  }

  /** @throws {FileFaults} */
  requireNoFaults(): void {
    const faults = this.faults.toSorted((a, b) => a.at - b.at);
    if (faults.length > 0) throw new FileFaults(faults);
  }

  placeOf(at: number): Place {
    const { line, col: column } = this.lines.linePos(at);
    return { line, column };
  }

  /** The values of a map with known keys, by key. */
  fields<Name extends string>(
    value: Value,
    what: string,
    names: readonly Name[],
    required: readonly Name[] = [],
  ): Readonly<Partial<Record<Name, Value>>> {
    const found: Partial<Record<Name, Value>> = {};
    const entries = this.entries(value, what);
    for (const { key, keyAt, value: field } of entries ?? []) {
      const name = names.find((one) => one === key);
      if (name === undefined) this.refuse(keyAt, `${what} has no field ${shown(key)}; it has ${names.join(', ')}`);
      else found[name] = field;
    }
    for (const name of entries === undefined ? [] : required) {
      if (found[name] === undefined) this.refuse(value.at, `${what} needs the field ${name}`);
    }
    return found;
  }

  /** The entries of a map, each key once; none where nothing is written; undefined where it is something else. */
  entries({ node, at }: Value, what: string): Entry[] | undefined {
    if (node === null || (isScalar(node) && node.value === '')) return [];
    if (!isMap<ParsedNode, ParsedNode | null>(node)) {
      this.refuse(at, `${what} must be a map, name: value`);
      return undefined;
    }
    const entries = new Map<string, Entry>();
    for (const { key: keyNode, value } of node.items) {
      const { node: keyOrNone, at: keyAt } = this.valueOf(keyNode, at);
      if (!isScalar(keyOrNone)) {
        this.refuse(keyAt, `a name in ${what} must be a text`);
        continue;
      }
      const key = String(keyOrNone.value);
      if (entries.has(key)) this.refuse(keyAt, `${what} has ${shown(key)} twice`);
      entries.set(key, { key, keyAt, value: this.valueOf(value, keyAt) });
    }
    return [...entries.values()];
  }

  /** Undefined where the value is no list. */
  list({ node, at }: Value, what: string): Value[] | undefined {
    if (isSeq<ParsedNode | null>(node)) return node.items.map((item) => this.valueOf(item, at));
    this.refuse(at, `${what} must be a list`);
    return undefined;
  }

  /** Undefined where the value is no text. */
  text({ node, at }: Value, what: string): string | undefined {
    if (isScalar(node)) return String(node.value);
    this.refuse(at, `${what} must be a text`);
    return undefined;
  }

  oneOf<Text extends string>(value: Value, what: string, texts: readonly Text[]): Text | undefined {
    const text = this.text(value, what);
    const found = texts.find((one) => one === text);
    if (text !== undefined && found === undefined) {
      this.refuse(value.at, `${what} must be ${texts.join(', ').replace(/, ([^,]+)$/, ' or $1')}, not ${shown(text)}`);
    }
    return found;
  }

  private valueOf(node: ParsedNode | null, otherwise: number): Value {
    return { node: (node && this.resolve(node)) ?? null, at: node?.range[0] ?? otherwise };
  }
}

/** As JSON, so that no character moves the terminal's cursor. */
export function shown(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}
