// As much of JSON schema (draft 2020-12) as the configuration's schema uses; any other keyword is an error.
const type = value =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'array'
      : Number.isInteger(value)
        ? 'integer'
        : typeof value;
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

const ANNOTATIONS = ['$schema', 'description', 'default'];
const RULES = {
  type: (value, wanted) => type(value) === wanted || (wanted === 'number' && type(value) === 'integer'),
  const: same,
  enum: (value, allowed) => allowed.some(one => same(one, value)),
  minimum: (value, limit) => value >= limit,
  maximum: (value, limit) => value <= limit,
  exclusiveMinimum: (value, limit) => value > limit,
  exclusiveMaximum: (value, limit) => value < limit,
  minLength: (value, limit) => value.length >= limit,
  minItems: (value, limit) => value.length >= limit,
  maxItems: (value, limit) => value.length <= limit,
  pattern: (value, source) => new RegExp(source, 'u').test(value),
  required: (value, keys) => keys.every(key => Object.hasOwn(value, key)),
  oneOf: (value, schemas) => schemas.filter(schema => validate(schema, value).length === 0).length === 1,
  anyOf: (value, schemas) => schemas.some(schema => validate(schema, value).length === 0),
  format: () => true,
};

/** What is wrong with a value, one line each. */
export function validate(schema, value, path = '$') {
  const problems = [];
  if (schema.type !== undefined && !RULES.type(value, schema.type)) return [`${path} is no ${schema.type}`];
  for (const [keyword, argument] of Object.entries(schema)) {
    if (keyword === 'properties') {
      for (const [key, inner] of Object.entries(argument)) {
        if (Object.hasOwn(value, key)) problems.push(...validate(inner, value[key], `${path}.${key}`));
      }
    } else if (keyword === 'additionalProperties') {
      const unknown = Object.keys(value).filter(key => schema.properties?.[key] === undefined);
      if (argument === false) problems.push(...unknown.map(key => `${path}.${key} is unknown`));
      else for (const key of unknown) problems.push(...validate(argument, value[key], `${path}.${key}`));
    } else if (keyword === 'items') {
      problems.push(...value.flatMap((item, i) => validate(argument, item, `${path}[${i}]`)));
    } else if (keyword === 'prefixItems') {
      problems.push(...argument.flatMap((inner, i) => validate(inner, value[i], `${path}[${i}]`)));
    } else if (!ANNOTATIONS.includes(keyword)) {
      if (RULES[keyword] === undefined) throw new Error(`the schema uses ${keyword} at ${path}`);
      if (!RULES[keyword](value, argument))
        problems.push(`${path} breaks ${keyword} ${JSON.stringify(argument)}`);
    }
  }
  return problems;
}
