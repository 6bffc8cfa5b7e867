// The text format of Prometheus, version 0.0.4: families of gauges in, lines out. Pure; it knows no table.

export interface Family {
  /** With its unit as the last part: `gatepost_oldest_due_refresh_age_seconds`. */
  readonly name: string
  readonly help: string
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** Of an HTTP answer that carries it. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

/** HELP and TYPE of each family, a line a sample, a line feed after the last. A family without samples is left out. */
export function formatExposition(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ name, help, samples }) =>
        `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} gauge\n${samples.map((sample) => `${name}${labelsOf(sample)} ${sample.value}\n`).join('')}`,
    )
    .join('')
}

function labelsOf({ labels }: Sample): string {
  const pairs = Object.entries(labels ?? {}).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
