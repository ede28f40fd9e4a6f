/** World Factbook profiles as readable text. */

type Profile = { readonly [field: string]: Profile | string | null };

/**
 * A profile as sections of `Field: value` lines; a field's parts follow each other as `part value; part value`. Fields
 * without text are left out.
 */
export function factbookText(profile: unknown): string {
  const sections = Object.entries(profile as Profile).map(([section, fields]) => {
    const lines = Object.entries(fields as Profile).flatMap(([field, value]) => {
      const text = valueText(value);
      return text === '' ? [] : `${field}: ${text}`;
    });
    return lines.length === 0 ? '' : `${section}\n${lines.join('\n')}`;
  });
  const title = countryName(profile as Profile);
  return `${[title, ...sections].filter(part => part !== '').join('\n\n')}\n`;
}

function countryName(profile: Profile): string {
  const government = profile.Government as Profile | undefined;
  const names = government?.['Country name'] as Profile | undefined;
  for (const kind of ['conventional short form', 'conventional long form']) {
    const found = textOf(names?.[kind]);
    if (found !== '' && found !== 'none') return found;
  }
  return '';
}

function textOf(value: Profile | string | null | undefined): string {
  const text = typeof value === 'string' ? value : value?.text;
  return typeof text === 'string' ? tidy(text) : '';
}

/** `{text, note, part: {text}}` → "text; part text; note: …". */
function valueText(value: Profile | string | null): string {
  if (value === null || typeof value === 'string') return textOf(value);
  const parts = Object.entries(value).map(([key, inner]) => {
    const text = valueText(inner);
    if (text === '' || key === 'text') return text;
    return key === 'note' ? `note: ${text}` : `${key} ${text}`;
  });
  return parts.filter(part => part !== '').join('; ');
}

/** The data marks paragraphs inside a field by `++`. */
function tidy(text: string): string {
  return text
    .replaceAll(/\s*\+\+\s*/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
