/** Dates as Python's `strftime` writes them in English, whatever the language of the machine. */

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const DAY = 86_400_000;

/** A date and time in the place of the format's directives, read in UTC; `%-d` and the like leave leading zeros out. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)(.?)/gsu, (directive, bare: string, letter: string) => {
    const write = DIRECTIVES[letter];
    if (write === undefined) throw new Error(`strftime_now knows no ${directive}`);
    const text = write(date);
    return bare === '' ? text : text.replace(/^0+(?=.)/, '');
  });
}

const padded = (value: number, digits = 2): string => String(value).padStart(digits, '0');
const month = (date: Date): string => MONTHS[date.getUTCMonth()]!;
const weekday = (date: Date): string => DAYS[date.getUTCDay()]!;

const DIRECTIVES: Readonly<Record<string, (date: Date) => string>> = {
  Y: date => padded(date.getUTCFullYear(), 4),
  y: date => padded(date.getUTCFullYear() % 100),
  m: date => padded(date.getUTCMonth() + 1),
  B: month,
  b: date => month(date).slice(0, 3),
  d: date => padded(date.getUTCDate()),
  e: date => String(date.getUTCDate()).padStart(2),
  j: date => padded(Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0)) / DAY) + 1, 3),
  A: weekday,
  a: date => weekday(date).slice(0, 3),
  H: date => padded(date.getUTCHours()),
  I: date => padded(date.getUTCHours() % 12 || 12),
  M: date => padded(date.getUTCMinutes()),
  S: date => padded(date.getUTCSeconds()),
  p: date => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  '%': () => '%',
};
