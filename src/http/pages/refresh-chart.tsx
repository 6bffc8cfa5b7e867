// Refresh health as two charts: what came of the last day's attempts, and what is due next. Pure. Every figure drawn
// stands in a table below as well, and in words where the pointer rests.

import type { Child } from 'hono/jsx'
import type { DueStep, OutcomeHour } from '../../ops/refresh-health.ts'
import { type Bar, Bars, IncompleteSwatch, Swatch, stack } from './chart-bars.tsx'
import { outcomeWords } from './mailbox-words.ts'

/** Below it, an hour's figures are marked as incomplete. */
const completeShare = 0.9

const whole = new Intl.NumberFormat('en')
const timeOfDay = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: 'UTC' })
const dayAndTime = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  timeZone: 'UTC',
})

/** How every attempt of the last day ended, an hour a bar, and the same figures as a table. */
export const OutcomeChart = ({ hours }: { hours: readonly OutcomeHour[] }) => {
  const totals = stack.map((code) => hours.reduce((sum, { counts }) => sum + counts[code], 0))
  const bars = hours.map(({ beginsAt, counts, keptShare }): Bar => {
    const hour = beginsAt.getUTCHours()
    const parts = stack.map((code) => `${outcomeWords[code].label}: ${whole.format(counts[code])}`)
    return {
      words: `${dayAndTime.format(beginsAt)} UTC. ${parts.join('. ')}.`,
      segments: stack.map((code) => ({ texture: code, count: counts[code] })),
      tick: hour % 3 === 0 ? { text: timeOfDay.format(beginsAt), isFor: hour % 6 === 0 ? 'all' : 'wide' } : null,
      isIncomplete: keptShare < completeShare,
    }
  })
  const isAnyIncomplete = bars.some(({ isIncomplete }) => isIncomplete)
  const said = stack.map((code, index) => `${outcomeWords[code].label}: ${whole.format(totals[index] ?? 0)}`)
  return (
    <figure class="chart">
      <Bars
        id="outcomes-chart"
        title="Attempts to renew tokens in the last 24 hours, by hour and outcome"
        description={`${said.join('. ')}. The table below has every hour.`}
        bars={bars}
      />
      <p class="chart-axis">Hour of the day, UTC</p>
      <ul class="legend" aria-label="Outcomes, with their totals">
        {stack.map((code, index) => (
          <li>
            <Swatch texture={code} />
            {outcomeWords[code].label} <strong>{whole.format(totals[index] ?? 0)}</strong>
          </li>
        ))}
        {isAnyIncomplete ? (
          <li>
            <IncompleteSwatch />
            Incomplete hours
          </li>
        ) : null}
      </ul>
      {isAnyIncomplete ? (
        <p class="hint">
          The shaded hours are incomplete: a mailbox keeps its ten newest attempts, and more than a tenth of the
          histories begin later than that.
        </p>
      ) : null}
      <Figures caption="Attempts by hour and outcome, newest hour first">
        <thead>
          <tr>
            <th scope="col">Hour, UTC</th>
            {stack.map((code) => (
              <th scope="col" class="figure">
                {outcomeWords[code].label}
              </th>
            ))}
            <th scope="col" class="figure">
              Histories reaching back
            </th>
          </tr>
        </thead>
        <tbody>
          {hours.toReversed().map(({ beginsAt, counts, keptShare }) => (
            <tr>
              <th scope="row">
                <time datetime={beginsAt.toISOString()}>{dayAndTime.format(beginsAt)}</time>
              </th>
              {stack.map((code) => (
                <td class="figure">{whole.format(counts[code])}</td>
              ))}
              <td class="figure">{Math.floor(keptShare * 100)} %</td>
            </tr>
          ))}
        </tbody>
      </Figures>
    </figure>
  )
}

interface DueProps {
  readonly steps: readonly DueStep[]
  /** Nothing after it was counted; null: everything was. */
  readonly countedUntil: Date | null
}

/** How many tokens become due in each of the next steps, and the same as a table. */
export const DueChart = ({ steps, countedUntil }: DueProps) => {
  const isKnown = (index: number) => {
    const next = steps[index + 1]
    return countedUntil === null || (next !== undefined && next.beginsAt <= countedUntil)
  }
  const bars = steps.map(({ beginsAt, count }, index): Bar => {
    const isFor = index % 4 === 0 ? 'all' : 'wide'
    return {
      words: `From ${timeOfDay.format(beginsAt)} UTC: ${whole.format(count)}${isKnown(index) ? '' : ' or more'}`,
      segments: [{ texture: 'refreshed', count }],
      tick: index % 2 === 0 ? { text: timeOfDay.format(beginsAt), isFor } : null,
      isIncomplete: !isKnown(index),
    }
  })
  const total = steps.reduce((sum, { count }) => sum + count, 0)
  return (
    <figure class="chart">
      <Bars
        id="due-chart"
        title="Tokens that become due in the next two hours, ten minutes a bar"
        description={`${whole.format(total)} in all. The table below has every step.`}
        bars={bars}
      />
      <p class="chart-axis">Due from, UTC</p>
      {countedUntil === null ? null : (
        <p class="hint">
          Counted up to {timeOfDay.format(countedUntil)} UTC only: more are due than this page counts. What comes later
          is marked.
        </p>
      )}
      <Figures caption="Tokens by the ten minutes in which they become due">
        <thead>
          <tr>
            <th scope="col">Due from, UTC</th>
            <th scope="col" class="figure">
              Tokens
            </th>
          </tr>
        </thead>
        <tbody>
          {steps.map(({ beginsAt, count }, index) => (
            <tr>
              <th scope="row">
                <time datetime={beginsAt.toISOString()}>{timeOfDay.format(beginsAt)}</time>
              </th>
              <td class="figure">{isKnown(index) ? whole.format(count) : `${whole.format(count)} or more`}</td>
            </tr>
          ))}
        </tbody>
      </Figures>
    </figure>
  )
}

const Figures = ({ caption, children }: { caption: string; children?: Child }) => (
  <details>
    <summary>The same as a table</summary>
    <section class="scroll-x" aria-label={caption} tabindex={0}>
      <table class="figures">
        <caption class="sr-only">{caption}</caption>
        {children}
      </table>
    </section>
  </details>
)
