// Refresh health in three cards: what came of the last day's attempts, what is due, and why attempts failed. Pure.

import type { RefreshHealth } from '../../ops/refresh-health.ts'
import { Fact, Moment } from './parts.tsx'
import { DueChart, OutcomeChart } from './refresh-chart.tsx'

const whole = new Intl.NumberFormat('en')

export const Health = ({ health, now }: { health: RefreshHealth; now: Date }) => {
  const hasAttempts = health.hours.some(({ counts }) => Object.values(counts).some((count) => count > 0))
  const { count, oldestAt } = health.overdue
  const isCapped = health.dueCountedUntil !== null && health.dueCountedUntil <= health.asOf
  return (
    <div class="health">
      <section class="card" aria-labelledby="outcomes-title">
        <h2 id="outcomes-title">Renewals of the last 24 hours</h2>
        <SampleNote health={health} />
        {hasAttempts ? <OutcomeChart hours={health.hours} /> : <p class="soft">No attempt was made in this time.</p>}
      </section>
      <section class="card" aria-labelledby="due-title">
        <h2 id="due-title">Due next</h2>
        <dl class="facts">
          <Fact name="Overdue">
            <strong>
              {whole.format(count)}
              {isCapped ? ' or more' : ''}
            </strong>
          </Fact>
          <Fact name="The oldest became due">
            {oldestAt === null ? 'None waits' : <Moment at={oldestAt} now={now} />}
          </Fact>
        </dl>
        <DueChart steps={health.due} countedUntil={health.dueCountedUntil} />
      </section>
      <section class="card" aria-labelledby="errors-title">
        <h2 id="errors-title">Why attempts failed</h2>
        {health.errors.length === 0 ? (
          <p class="soft">No attempt of the last 24 hours failed.</p>
        ) : (
          <table class="figures">
            <caption class="sr-only">Errors of the last 24 hours, the most frequent first</caption>
            <thead>
              <tr>
                <th scope="col">Error</th>
                <th scope="col" class="figure">
                  Attempts
                </th>
                <th scope="col" class="figure">
                  Mailboxes
                </th>
              </tr>
            </thead>
            <tbody>
              {health.errors.map(({ error, attempts, mailboxes }) => (
                <tr>
                  <th scope="row">
                    <code class="id">{error}</code>
                  </th>
                  <td class="figure">{whole.format(attempts)}</td>
                  <td class="figure">{whole.format(mailboxes)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </section>
    </div>
  )
}

const SampleNote = ({ health: { sample } }: { health: RefreshHealth }) =>
  sample.ofAbout === null ? null : (
    <p class="hint">
      From a random sample: {whole.format(sample.size)} of about {whole.format(sample.ofAbout)} mailboxes. Every figure
      here and under “Why attempts failed” is the sample’s own.
    </p>
  )
