// How figures are written: a line of the table of budgets, units, and tables as Markdown.

export interface Line {
  readonly path: string
  readonly measured: string
  readonly budget: string
  /** Null where nothing was promised. */
  readonly isKept: boolean | null
}

const unknown = 'unknown'

export const kib = (bytes: number | null): string => (bytes === null ? unknown : `${(bytes / 1_024).toFixed(1)} KiB`)
export const mib = (bytes: number | null): string => (bytes === null ? unknown : `${(bytes / 1_048_576).toFixed(0)} MB`)
export const fixed = (value: number | null, digits = 2): string => (value === null ? unknown : value.toFixed(digits))

export const mark = (line: Line): string => (line.isKept === null ? '' : line.isKept ? 'ok' : '**over**')

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
