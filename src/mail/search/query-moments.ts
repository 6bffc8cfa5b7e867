// Dates, ages and sizes as Gmail's search language writes them. Days begin at midnight UTC. No clock of its own.

const yearsFrom = 1900
const yearsTo = 9999

/**
 * `2026/11/30`, `2026-11-30`, `11/30/2026` or seconds since 1970; `null` for what is no date. Without a time it means
 * the day's beginning.
 */
export function parseDay(text: string): Date | null {
  const yearFirst = /^(\d{4})[/.-](\d{1,2})[/.-](\d{1,2})$/.exec(text)
  if (yearFirst !== null) return dayOf(Number(yearFirst[1]), Number(yearFirst[2]), Number(yearFirst[3]))
  const yearLast = /^(\d{1,2})[/-](\d{1,2})[/-](\d{4})$/.exec(text)
  if (yearLast !== null) return dayOf(Number(yearLast[3]), Number(yearLast[1]), Number(yearLast[2]))
  // Milliseconds would be a date thousands of years ahead: they are refused, not guessed at.
  return /^\d{5,11}$/.test(text) ? plausible(new Date(Number(text) * 1_000)) : null
}

/** As `parseDay`, and ISO 8601 with a time; without a zone it is UTC. The plus of a zone may have come as a blank. */
export function parseInstant(text: string): Date | null {
  const iso = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+ -]\d{2}:\d{2})?$/i.exec(text)
  if (iso === null) return parseDay(text)
  // `Date` takes the 31st of February for the 3rd of March.
  if (parseDay(iso[1] ?? '') === null) return null
  return plausible(new Date(`${iso[1]}T${iso[2]}${iso[3]?.toUpperCase().replace(' ', '+') ?? 'Z'}`))
}

function dayOf(year: number, month: number, day: number): Date | null {
  const date = new Date(Date.UTC(year, month - 1, day))
  // `Date.UTC` takes the year 50 for 1950, and the 31st of February for the 3rd of March.
  const isMeant = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return isMeant ? plausible(date) : null
}

/** The date itself, or `null` where PostgreSQL or a reader could not follow. */
export function plausible(date: Date): Date | null {
  const year = date.getUTCFullYear()
  return year >= yearsFrom && year <= yearsTo ? date : null
}

/** The moment so long before `now`: `3d`, `2w`, `6m`, `1y`. `null` for what is no age. */
export function parseAge(text: string, now: Date): Date | null {
  const age = /^(\d{1,5})([hdwmy])$/i.exec(text)
  if (age === null) return null
  const date = before(now, Number(age[1]), age[2]?.toLowerCase() ?? 'd')
  return plausible(date) ?? new Date(Date.UTC(yearsFrom, 0, 1))
}

const hourMs = 3_600_000

function before(now: Date, count: number, unit: string): Date {
  switch (unit) {
    case 'y':
      return monthsBefore(now, 12 * count)
    case 'm':
      return monthsBefore(now, count)
    case 'w':
      return new Date(now.getTime() - count * 7 * 24 * hourMs)
    case 'd':
      return new Date(now.getTime() - count * 24 * hourMs)
    default:
      return new Date(now.getTime() - count * hourMs)
  }
}

/** The same day of an earlier month, or its last day where it is shorter. */
function monthsBefore(now: Date, count: number): Date {
  const date = new Date(now)
  date.setUTCMonth(date.getUTCMonth() - count)
  if (date.getUTCDate() !== now.getUTCDate()) date.setUTCDate(0)
  return date
}

const unitBytes: Readonly<Record<string, number>> = { '': 1, k: 1_024, m: 1_024 ** 2, g: 1_024 ** 3 }

/** Bytes of `10M`, `1.5mb`, `5K`, `100`; `null` for what is no size. */
export function parseSize(text: string): number | null {
  const size = /^(\d{1,12}(?:\.\d{1,3})?)(?:([kmg])b?)?$/i.exec(text)
  if (size === null) return null
  return Math.min(Math.round(Number(size[1]) * (unitBytes[size[2]?.toLowerCase() ?? ''] ?? 1)), 2 ** 40)
}
