// `/dev/letters` and `/dev/letters/{id}`: the letters that would have been sent, for development. They show live codes and
// links to whoever asks, so they are there only where MAIL_TRANSPORT=console is, which works on a loopback host alone.

import { AppError } from '../../errors.ts'
import { type LetterRow, listLetters, readLetter, type ViewedLetter } from '../../letters/viewer.ts'
import type { AppContext } from '../context.ts'
import { uuid } from '../routes/shapes.ts'
import { showPage } from './layout.tsx'
import { Badge, Fact, Moment, Notice, type Tone } from './parts.tsx'
import { personOrNobody } from './signed-in.ts'

// A letter's own styles stand in it; nothing else is let in, and its frame runs no script (below).
const letterPolicy =
  "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const statusWords: Readonly<Record<LetterRow['status'], { tone: Tone; label: string }>> = {
  due: { tone: 'warn', label: 'Due' },
  sent: { tone: 'good', label: 'Sent' },
  void: { tone: 'calm', label: 'Void' },
  failed: { tone: 'bad', label: 'Given up' },
}

/** Throws 404 elsewhere than in development. */
function assertDevelopment(c: AppContext): void {
  const { hostname } = new URL(c.req.url)
  // The name asked for, too: a foreign page that had its own name lead to this machine would read codes here.
  const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
  if (c.env.deps.settings.mail?.transport !== 'console' || !isLoopback) throw new AppError('not_found')
}

export async function lettersPage(c: AppContext): Promise<Response> {
  assertDevelopment(c)
  const [letters, me] = await Promise.all([listLetters(c.env.deps), personOrNobody(c)])
  const now = c.env.deps.clock()
  return showPage(
    c,
    { title: 'Letters', visitor: me },
    <>
      <div class="page-head">
        <div>
          <h1>Letters</h1>
          <p class="soft">
            What would have left by mail: <code>MAIL_TRANSPORT=console</code> keeps it here. The newest 100, newest
            first.
          </p>
        </div>
      </div>
      {letters.length === 0 ? (
        <p class="card empty soft">No letter yet. Register, or ask for a new password, and come back.</p>
      ) : (
        <ul class="cards">
          {letters.map((letter) => (
            <li class="card letter-item">
              <div>
                <h2>
                  <a href={`/dev/letters/${letter.letterId}`}>{letter.composed?.subject ?? 'Nothing to say'}</a>
                </h2>
                <p class="address">{letter.recipient}</p>
                <p class="soft">
                  <code class="id">{letter.kind}</code> <Moment at={letter.createdAt} now={now} />
                </p>
              </div>
              <LetterBadge status={letter.status} />
            </li>
          ))}
        </ul>
      )}
    </>,
  )
}

const LetterBadge = ({ status }: { status: LetterRow['status'] }) => (
  <Badge tone={statusWords[status].tone}>{statusWords[status].label}</Badge>
)

export async function letterPage(c: AppContext): Promise<Response> {
  assertDevelopment(c)
  const id = uuid.safeParse(c.req.param('id'))
  const [letter, me] = await Promise.all([id.success ? readLetter(c.env.deps, id.data) : null, personOrNobody(c)])
  if (letter === null) throw new AppError('not_found')
  c.header('Content-Security-Policy', letterPolicy)
  return showPage(
    c,
    { title: letter.composed?.subject ?? 'Letter', visitor: me },
    <>
      <p class="back">
        <a href="/dev/letters">Letters</a>
      </p>
      <div class="page-head">
        <div>
          <h1>{letter.composed?.subject ?? 'A letter with nothing to say'}</h1>
          <p class="soft address">To {letter.recipient}</p>
        </div>
        <LetterBadge status={letter.status} />
      </div>
      <LetterFacts letter={letter} now={c.env.deps.clock()} />
      {letter.composed === null ? (
        <Notice tone="calm" title="Nothing was sent.">
          <p>
            A letter like this is written so that a known and an unknown address cannot be told apart, or carries a code
            that is not there.
          </p>
        </Notice>
      ) : (
        <>
          {letter.composed.link === null ? null : (
            <p class="letter-link">
              <a class="button primary" href={letter.composed.link}>
                Open the letter’s link
              </a>
            </p>
          )}
          <section class="card" aria-labelledby="html-title">
            <h2 id="html-title">HTML</h2>
            <iframe
              class="letter-frame"
              title="The letter as HTML"
              sandbox="allow-popups allow-popups-to-escape-sandbox"
              srcdoc={letter.composed.html}
            />
          </section>
          <section class="card" aria-labelledby="text-title">
            <h2 id="text-title">Plain text</h2>
            <pre class="letter-text">{letter.composed.text}</pre>
          </section>
        </>
      )}
    </>,
  )
}

const LetterFacts = ({ letter, now }: { letter: ViewedLetter; now: Date }) => (
  <section class="card" aria-label="State">
    <dl class="facts">
      <Fact name="Kind">
        <code class="id">{letter.kind}</code>
      </Fact>
      <Fact name="Written">
        <Moment at={letter.createdAt} now={now} />
      </Fact>
      <Fact name="Sent">{letter.sentAt === null ? 'Not sent' : <Moment at={letter.sentAt} now={now} />}</Fact>
      {letter.lastErrorCode === null ? null : (
        <Fact name="Last error">
          <code class="id">{letter.lastErrorCode}</code>
        </Fact>
      )}
    </dl>
  </section>
)
