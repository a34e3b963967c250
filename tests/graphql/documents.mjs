// Random GraphQL documents for a schema: valid ones, and mutations of them that break the grammar or a rule.
import {
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
  Lexer,
  Source,
  TokenKind,
} from 'graphql';

const MAX_DEPTH = 5;
const MAX_LISTS = 1;
/** Root fields of which a request may select one. */
const SINGLE_USE = ['register', 'authenticate', 'refresh', 'changePassword'];

/** Returns a generator of numbers in [0, 1) (mulberry32). */
function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A source of choices that are the same for the same seed. */
export class Choices {
  constructor(seed) {
    this.random = seededRandom(seed);
  }

  chance(probability) {
    return this.random() < probability;
  }

  below(limit) {
    return Math.floor(this.random() * limit);
  }

  pick(items) {
    return items[this.below(items.length)];
  }
}

/** A document that is being generated. */
class Draft {
  constructor(schema, choices) {
    Object.assign(this, { schema, choices, variables: new Map(), fragments: [], aliases: 0 });
  }

  /** Returns the text of a valid document, but for fields that may conflict. */
  text() {
    const { choices, schema } = this;
    const roots = ['query', 'query', 'query', 'mutation', 'subscription'].filter((kind) => this.root(kind));
    const count = choices.chance(0.15) ? 2 : 1;
    const operations = Array.from({ length: count }, (_, index) => {
      const kind = choices.pick(roots);
      const uses = { variables: new Set(), fragments: new Set() };
      const root = this.root(kind);
      const body = kind === 'subscription' ? this.subscription(root, uses) : this.selection(root, uses, 0, 0);
      return { kind, name: count > 1 || choices.chance(0.5) ? `Q${index}` : '', body, uses };
    });
    const definitions = operations.map(({ kind, name, body, uses }) => {
      const defined = [...this.reachable(uses)].map((one) => this.variables.get(one));
      const header = defined.length > 0 ? `(${defined.join(choices.pick([', ', ' ', '\n']))})` : '';
      const short = kind === 'query' && !name && !header && choices.chance(0.7);
      return short ? body : `${kind} ${name}${header} ${body}`;
    });
    for (const { name, type, body } of this.fragments) definitions.push(`fragment ${name} on ${type} ${body}`);
    return definitions.join(choices.pick([' ', '\n', '\n# next\n', ',']));
  }

  root(kind) {
    return this.schema.getRootType(kind);
  }

  /** Returns the variables that are used, also by fragments. */
  reachable(uses, seen = new Set()) {
    const variables = new Set(uses.variables);
    for (const name of uses.fragments) {
      if (seen.has(name)) continue;
      seen.add(name);
      const { uses: more } = this.fragments.find((fragment) => fragment.name === name);
      for (const variable of this.reachable(more, seen)) variables.add(variable);
    }
    return variables;
  }

  subscription(type, uses) {
    const field = this.field(this.choices.pick(Object.values(type.getFields())), uses, 0, 0, false);
    return this.choices.chance(0.3) ? `{ ... on ${type} { ${field} } }` : `{ ${field} }`;
  }

  selection(type, uses, depth, lists) {
    const { choices } = this;
    const count = 1 + choices.below(3);
    const parts = Array.from({ length: count }, () => this.selected(type, uses, depth, lists));
    return `{ ${parts.join(choices.pick([' ', ', ', '\n']))} }`;
  }

  selected(type, uses, depth, lists) {
    const { choices } = this;
    if (depth < MAX_DEPTH && choices.chance(0.2)) return this.fragment(type, uses, depth, lists);
    const fields = type.getFields ? Object.values(type.getFields()) : [];
    const usable = fields.filter(({ type: of }) => !isCompositeType(getNamedType(of)) || depth < MAX_DEPTH);
    const cheap = usable.filter((field) => {
      return (lists < MAX_LISTS || !returnsRows(field)) && !(this.usesSecret && SINGLE_USE.includes(field.name));
    });
    if (cheap.length === 0 || choices.chance(0.1)) return choices.pick(['__typename', 'typeName: __typename']);
    if (depth === 0 && type === this.root('query') && choices.chance(0.08)) return this.introspection(uses);
    return this.field(choices.pick(cheap), uses, depth, lists);
  }

  introspection(uses) {
    const name = this.choices.pick(['Query', 'User', 'Offer', 'Nope', '__Type']);
    const { __Type: type } = this.schema.getTypeMap();
    return `__type(name: "${name}") ${this.selection(type, uses, MAX_DEPTH - 1, MAX_LISTS)}`;
  }

  fragment(type, uses, depth, lists) {
    const { choices } = this;
    const possible = isAbstractType(type) ? this.schema.getPossibleTypes(type) : [type];
    const target = choices.pick(possible);
    const directives = this.directives(uses);
    if (choices.chance(0.5)) {
      const condition = target !== type || choices.chance(0.6) ? `on ${target} ` : '';
      return `... ${condition}${directives} ${this.selection(target, uses, depth + 1, lists)}`;
    }
    const existing = this.fragments.filter((fragment) => fragment.type === target.name && fragment.body);
    const known = choices.chance(0.3) ? choices.pick(existing) : undefined;
    const fragment = known ?? { name: `F${this.fragments.length}`, type: target.name, uses: newUses() };
    if (!known) {
      this.fragments.push(fragment);
      fragment.body = this.selection(target, fragment.uses, depth + 1, lists);
    }
    uses.fragments.add(fragment.name);
    return `...${choices.pick(['', ' '])}${fragment.name} ${directives}`;
  }

  field(field, uses, depth, lists, withDirectives = true) {
    const { choices } = this;
    this.usesSecret ||= SINGLE_USE.includes(field.name);
    const given = field.args.filter((arg) => isRequiredArgument(arg) || choices.chance(0.35));
    const args = given.map((arg) => `${arg.name}: ${this.value(arg.type, uses, 0, arg.defaultValue !== undefined)}`);
    // Fields with arguments need an alias each: others of the same name have other arguments.
    const alias = args.length > 0 && this.aliases < 20 ? `a${this.aliases++}: ` : '';
    const type = getNamedType(field.type);
    const isRows = returnsRows(field);
    const body = isCompositeType(type) ? this.selection(type, uses, depth + 1, lists + (isRows ? 1 : 0)) : '';
    const list = args.length > 0 ? `(${args.join(choices.pick([', ', ' ']))})` : '';
    return `${alias}${field.name}${list} ${withDirectives ? this.directives(uses) : ''} ${body}`;
  }

  directives(uses) {
    const { choices } = this;
    if (!choices.chance(0.12)) return '';
    const condition = choices.chance(0.5) ? choices.pick(['true', 'false']) : this.variable('Boolean!', 'Boolean', uses);
    return `@${choices.pick(['skip', 'include'])}(if: ${condition})`;
  }

  /** Returns a value for a place of this type. */
  value(type, uses, depth = 0, hasDefault = false) {
    const { choices } = this;
    if (uses && choices.chance(0.25)) {
      const nullable = String(getNullableType(type));
      const isNonNull = isNonNullType(type);
      const withDefault = isNonNull && choices.chance(0.2) && `${nullable} = ${this.value(type)}`;
      const text = withDefault || (isNonNull && !hasDefault) || choices.chance(0.3) ? `${nullable}!` : nullable;
      return this.variable(withDefault || text, getNamedType(type).name, uses);
    }
    if (isNonNullType(type)) return this.literal(type.ofType, uses, depth);
    return choices.chance(0.1) ? 'null' : this.literal(type, uses, depth);
  }

  variable(definition, label, uses) {
    const name = `v${label}${this.variables.size}`;
    const { choices } = this;
    const reusable = [...this.variables].find(([, text]) => text.endsWith(`: ${definition}`));
    const used = reusable && choices.chance(0.5) ? reusable[0] : name;
    this.variables.set(used, `$${used}: ${definition}`);
    uses.variables.add(used);
    return `$${used}`;
  }

  literal(type, uses, depth) {
    const { choices } = this;
    if (isListType(type)) {
      if (choices.chance(0.2)) return this.value(type.ofType, undefined, depth + 1);
      const items = Array.from({ length: choices.below(3) }, () => this.value(type.ofType, uses, depth + 1));
      return `[${items.join(', ')}]`;
    }
    if (isEnumType(type)) return choices.pick(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter((one) => isRequiredInputField(one) || choices.chance(0.4));
      const values = fields.map((one) => `${one.name}: ${this.value(one.type, uses, depth + 1, one.defaultValue !== undefined)}`);
      return `{ ${values.join(choices.pick([', ', ' ']))} }`;
    }
    return choices.pick(LITERALS[type.name] ?? LITERALS.custom);
  }
}

const LITERALS = {
  Int: ['0', '1', '2', '3', '-1', '-0'],
  Float: ['0', '1.5', '-2e3', '1E+2'],
  Boolean: ['true', 'false'],
  String: ['""', '"a"', '"\\u00e4\\n\\"/\\\\"', '"""block\n  text"""', '"ё💣"', '"\\uD83D\\uDCA3"', '"\\u{1F4A3}"'],
  ID: ['"999999999"', '999999999', '"nobody"', '""'],
  _Any: ['{ __typename: "User", id: "999999999" }'],
  custom: ['1', '"2026-01-01T00:00:00Z"', '100'],
};

const newUses = () => ({ variables: new Set(), fragments: new Set() });
const returnsRows = ({ type }) => isListType(getNullableType(type)) || /Connection$/.test(getNamedType(type).name);

/** Returns a document for a schema that is valid unless fields happen to conflict. */
export function randomDocument(schema, choices) {
  return new Draft(schema, choices).text();
}

/** Returns the text of each token. */
function tokensOf(text) {
  const lexer = new Lexer(new Source(text));
  const tokens = [];
  for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
    tokens.push(text.slice(token.start, token.end));
  }
  return tokens;
}

const NAMES = ['id', 'on', 'true', 'null', 'query', 'fragment', 'nope', '__typename', '__schema', 'User', 'Offer', 'Int', 'if', 'first', 'input', 'offers', 'user'];
const VALUES = ['1', '1.0', '3000000000', '"x"', '"""x"""', 'true', 'null', 'OPEN', 'NOPE', '[1]', '[]', '{}', '{ a: 1 }', '{ id: 1, id: 2 }', '$nope', '[[1]]', '-0', '1e3'];
const PUNCTUATORS = ['!', '$', '&', '(', ')', '...', ':', '=', '@', '[', ']', '{', '|', '}', '..', '.', '%', '?', ';', '-'];
const DIRECTIVES = ['@skip(if: true)', '@include(if: "x")', '@skip', '@nope', '@deprecated', '@skip(if: false) @skip(if: false)', '@include(if: true, if: true)', '@skip(if: true, unless: 1)', '@specifiedBy(url: "x")', '@include(if: $nope)', '@key(fields: "id")'];
const DEFINITIONS = ['fragment Unused on User { id }', 'query Q0 { __typename }', '{ __typename }', 'fragment F0 on User { id }', 'fragment on on User { id }', 'fragment F9 on Nope { id }', 'query Other($unused: Int) { __typename }', 'type A { a: Int }', 'query Other($a: Nope) { __typename @skip(if: $a) }', 'query Other($a: Int, $a: Int) { __typename }', 'query Other() { __typename }', 'mutation Other { nope }', 'subscription Other { __typename }', 'queryOther { __typename }', 'query Other($a: [ Boolean ! ] ! = [ true ]) { __typename }', 'query Other($a: Boolean! = true @skip(if: true)) { __typename @skip(if: $a) }', 'query Other($a: Boolean @nope) { __typename @skip(if: $a) }', 'query Other($a: Boolean) { __typename @skip(if: $a) }', 'query Other($a: Boolean = false) { __typename @skip(if: $a) }', 'query Other($a: Boolean = null) { __typename @skip(if: $a) }', 'query Other($a: Boolean! = null) { __typename @skip(if: $a) }', '"text" query Other { __typename }', 'query Other { ...Cycle } fragment Cycle on Query { ...Cycle }', 'query Other { a: __typename a: __schema { description } }', 'query Other { __type(name: "a") { name } ... { __type(name: "b") { name } } }', 'query Other { __type(name: "a") { name } ...Same } fragment Same on Query { __type(name: "a") { kind } }'];
const LEXICAL = ['\ufeff', '\u0000', '\u0007', ',', ',,,', '#c\r', '#\u0001\n', '\r\n', '\t', '\u00a0', 'é', '00', '01', '-01', '1.', '.5', '1e', '1.e1', '1.0e+5', '0x1', '1a', '1_0', '1.5.3', '1..2', '- 1', '"\\u12"', '"\\uD83D"', '"\\uDCA3\\uD83D"', '"\\u{}"', '"\\u{110000}"', '"\\u{D800}"', '"\\u{00000041}"', '"\\x"', '"a\nb"', '"unterminated', '"""unterminated', '"""a\\"""b"""', '""""', '"""a"b""c"""', "'a'", '…', '“a”', '12345678901234567890', '99999999999999999999999999'];
const TYPES = ['!', '[', ']', 'Int', 'Int!', 'String', 'ID', 'ID!', 'Boolean', '[ID]', '[ID!]!', 'User', 'Nope', 'Float'];

const at = (choices, tokens, wanted) => {
  const places = tokens.map((_, index) => index).filter((index) => wanted(tokens[index], tokens[index - 1], tokens[index + 1]));
  return places.length > 0 ? choices.pick(places) : choices.below(tokens.length);
};
const isName = (token) => /^[A-Za-z_]/.test(token ?? '');

/** Changes a list of tokens in one place. */
const MUTATIONS = {
  deleted: (choices, tokens) => tokens.splice(choices.below(tokens.length), 1),
  doubled: (choices, tokens) => {
    const index = choices.below(tokens.length);
    tokens.splice(index, 0, tokens[index]);
  },
  swapped: (choices, tokens) => {
    const index = choices.below(tokens.length - 1);
    tokens.splice(index, 2, tokens[index + 1], tokens[index]);
  },
  renamed: (choices, tokens) => {
    const index = at(choices, tokens, isName);
    tokens[index] = choices.pick(choices.chance(0.5) ? tokens.filter(isName).concat('id') : NAMES);
  },
  misspelt: (choices, tokens) => {
    tokens[at(choices, tokens, isName)] += choices.pick(['x', '1', '_']);
  },
  value: (choices, tokens) => {
    const index = at(choices, tokens, (token, before) => before === ':' && !/^[{[]/.test(token));
    tokens[index] = choices.pick(VALUES);
  },
  type: (choices, tokens) => {
    const index = at(choices, tokens, (token, before) => before === ':' && /^[[A-Z]/.test(token));
    if (choices.chance(0.5)) tokens[index] = choices.pick(TYPES);
    else tokens.splice(index + 1, tokens[index + 1] === '!' ? 1 : 0, ...(tokens[index + 1] === '!' ? [] : ['!']));
  },
  variable: (choices, tokens) => {
    const index = at(choices, tokens, (_, before) => before === '$');
    tokens[index] = choices.pick(tokens.filter((_, place) => tokens[place - 1] === '$').concat('nope'));
  },
  alias: (choices, tokens) => {
    const index = at(choices, tokens, (token, before) => isName(token) && before !== ':' && before !== '$' && before !== '...');
    tokens.splice(index, 0, choices.pick(['id', 'a0', 'a1', 'name']), ':');
  },
  argument: (choices, tokens) => {
    const index = at(choices, tokens, (token) => token === '(');
    tokens.splice(index + 1, 0, choices.pick(['id', 'first', 'if', 'nope', 'input']), ':', choices.pick(VALUES));
  },
  field: (choices, tokens) => {
    const index = at(choices, tokens, (token) => token === '{');
    tokens.splice(index + 1, 0, choices.pick(['id', 'nope', 'id { id }', 'user', 'offers', 'a0: id', '... on Nope { id }', '... on Int { id }', '... on User { id }', '... on Query { __typename }', '...Nope', '...F0', '__typename { id }', '{ id }', 'id: __typename']));
  },
  punctuator: (choices, tokens) => tokens.splice(choices.below(tokens.length + 1), 0, choices.pick(PUNCTUATORS)),
  directive: (choices, tokens) => {
    const index = at(choices, tokens, (token, _, after) => isName(token) && /^[{}A-Za-z_]/.test(after ?? ''));
    tokens.splice(index + 1, 0, choices.pick(DIRECTIVES));
  },
  definition: (choices, tokens) => tokens.push(choices.pick(DEFINITIONS)),
  token: (choices, tokens) => tokens.splice(choices.below(tokens.length + 1), 0, choices.pick(LEXICAL)),
  lexical: (choices, tokens) => {
    const index = at(choices, tokens, (token, before) => before === ':' && /^["\d-]/.test(token));
    tokens[index] = choices.pick(LEXICAL);
  },
};

/** The changes that break the grammar more often than a rule. */
const OF_GRAMMAR = ['deleted', 'doubled', 'swapped', 'punctuator', 'token', 'lexical'];
const OF_RULES = Object.keys(MUTATIONS).filter((name) => !OF_GRAMMAR.includes(name));

/** Returns a document with a random change, and the name of the change. */
export function mutatedDocument(text, choices) {
  const tokens = tokensOf(text);
  const name = choices.pick(choices.chance(0.3) ? OF_GRAMMAR : OF_RULES);
  MUTATIONS[name](choices, tokens);
  return { name, text: tokens.join(choices.pick([' ', ' ', ' , ', '\n'])) };
}
