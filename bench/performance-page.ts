// docs/performance.md: the tables with the words around them. Figures come from the run; the words hold for any run.
import { table } from './figures.ts'
import type { MailResults } from './mail.ts'
import { mailSection, withMailSection } from './mail-page.ts'
import { budgetTable, planTable, rateTable } from './report.ts'
import type { Results } from './run.ts'

export function performancePage(results: Results): string {
  return counted(`# Performance

Written by \`npm run bench\` on ${results.date}, on a machine of ${results.cores} cores (${results.isQuick ? 'a quick run: read it as a hint' : 'a full run'}, ${results.minutes.toFixed(0)} minutes).
Do not edit: run it again. ${verdict}${results.note === null ? '' : `\n\nOf this run: ${results.note}`}

## Budgets

${budgetTable(results)}

A ratio is the median of ${results.isQuick ? 'three' : 'five'} rounds, each beside its control in the same minute. Round trips are counted on the wire, the
start-up of a connection left out, BEGIN and COMMIT counted.

## Rates

${rateTable(results)}

Sixteen keep-alive connections (four beside the hash, where an isolate computes one at a time anyway), each sending as soon
as it was answered. \`workerd ms\` and \`PostgreSQL ms\` are processor time a request; the first line of each group is its
control. Where the machine is busy, believe the processor time before the rate, and the ratio before either. The empty
Worker stands beside the hash to be taken off: hashing's share of a path is the hash control's processor time less the
empty Worker's, to the path's.

## Statements

${planTable(results)}

The generic plan of each named statement, as it runs once it is prepared, with statistics that are up to date;
${results.scheduled[0]?.due ?? 0} tokens due for \`refresh-claim\` (the line "claim with half of all due" above looks at
many), 100 for \`refresh-lease\`, 25 answers for \`refresh-store\`. Whole tables are
fine where they hold a handful of rows (\`provider_states\`, few keys, few sessions).

${mailSection(results.mail)}

## The bundle

${table(
  ['part', 'KiB'],
  results.bundle.parts.slice(0, 12).map(([name, bytes]) => [name, (bytes / 1_024).toFixed(0)]),
)}

As uploaded (minified where \`wrangler.toml\` says so), before gzip, static assets left out. \`argon2.wasm\` is uploaded beside
the bundle and counted with it.

## What limits each path

- **login, start**: two SHA-256, three random values, one KV put and the authorization address; no database. The KV here
  answers on this machine at once; in production it is a network away, and the ratio comes nearer to 1.
- **me, mailbox list**: one trip. Beside the one query they verify an ES256 signature (the largest part, 0.1 to 0.3 ms),
  pass the middleware, write a log line and read a statement of three CTEs. All of it is processor time; with the database
  20 ms away next to nothing of it is seen.
- **vend, fresh**: one trip that reads, judges and writes the audit row; its commit waits for the disk, as the control's does.
- **vend, expired**: two trips around one call of the provider: HKDF and AES-GCM to open one token and to seal two.
- **callback**: three trips around one call of the provider; the ID token's RS256 signature and the write of up to nine
  tables' worth of CTEs.
- **password login**: two trips around one argon2id computation (m=19456 KiB, t=2, p=1), which is nearly all of it and is
  meant to be. The rest: one HMAC, SHA-256 of the refresh token, one ES256 signature, two statements. A wrong password and
  a name that nobody has cost the same computation and the same two trips: charge and look, then the refusal in the
  audit trail instead of the session. The computation goes through 19 MB of memory, so it is slower beside neighbours that
  fill the processor's caches, here as in production.
- **register**: the list of common passwords (read once an isolate), one argon2id computation, one envelope sealed, one trip.
- **session refresh**: one trip, one HMAC, two SHA-256, one ES256 signature.
- **scheduled refresh**: with a provider of 20 ms the five lanes (250 tokens/s at most, less the timers' half millisecond);
  with an immediate one the processor: one bounded HTTP request, one envelope opened and two sealed for each token, and 25
  answers to a statement.
- **start-up**: compiling and running the bundle's top level: a good third is \`pg\` with the Node modules it loads (the one
  query has it too), the rest schemas, routes and statements; then the keys are opened.
- **memory**: what workerd keeps of a TCP connection it opened; the control keeps as much. The heap is held at the 128 MB of
  production, so the run with many due accounts shows that they fit as well.
- **memory of ten logins at once**: hashing is synchronous, so however many wait, an isolate has one argon2 instance with
  19 MB (a few more of resident memory the first time: its compiled code and workerd's own pages). It stays: instances are
  counted in the Worker itself, by the address space V8 reserves for each. What grows beside it is garbage that V8 leaves
  lying until its heap is full: thousands of logins level off, with a smaller heap at less.

## How it is measured

- The Worker is the bundle of \`wrangler deploy --dry-run\`, run by \`workerd serve\` with a small configuration of its own:
  no development server, no Miniflare. A wrapper module gives it the queues and the rate limit as plain objects, and doors
  for cron and queue; static files come from \`public/\` by workerd's own disk service. Controls are built and run the same
  way, one process each; the one with the hash imports the Worker's own \`src/crypto/password.ts\`.
- KV is a small HTTP server behind workerd's own KV binding; the KV control uses the same one.
- A small pooler in transaction mode that shares named statements stands for Hyperdrive, with 20 warm connections. Without
  one every request would pay for a PostgreSQL process and plan its statement again, which production does not.
- PostgreSQL is a real server of its own for the run, \`fsync\` and \`synchronous_commit\` on, otherwise its defaults. It
  stores the accounts with real envelopes, each sealed for its row, and with a password, the same for all of them.
- Wrong passwords go round among the stored people, so that no name is locked; registrations and unknown names are a fresh
  address each. Letters are written and not sent.
- The provider is a stub that answers at once, or after 20 ms. It counts its calls; the run fails where a due token was
  asked for twice or not at all.
- Mail stands in a section of its own above, with how it is measured.
- Round trips are counted by a TCP proxy between pooler and PostgreSQL; a second run puts that proxy 20 ms away.
- Every process has a heap of 128 MB at most, as an isolate in production.
- Start-up and memory come from clean processes, the empty Worker and the one query beside them.

Everything shares the machine: load generator, pooler, PostgreSQL, workerd. Rates are therefore lower than what workerd
could do alone, for the controls as well.

## Running it

\`\`\`sh
npm run bench                  # all of it, about twenty minutes; writes this page
npm run bench -- --quick       # three to four minutes, prints only; add --write to write this page
npm run bench -- --only=mail   # mail alone, prints only; add --write to write its section; --quick as above
npm run bench -- --json=results.json --note="What should be said of this run."
\`\`\`

Close what else uses the processors. Processor time and memory are read from /proc, and left out where there is none.
`)
}

/** The page of an earlier run with mail measured anew. */
export function pageWithMail(page: string, mail: MailResults): string {
  return counted(withMailSection(page, mail))
}

const verdict = 'Every budget is kept.'
const verdictPattern =
  /Every budget is kept\.|\*\*\d+ budgets? (?:is|are) missed in this run\*\*; what limits each path stands below\./

/** Says at the top how many lines of the page are over their budgets. */
function counted(page: string): string {
  const over = page.split('| **over** |').length - 1
  const found = `**${over} budget${over === 1 ? ' is' : 's are'} missed in this run**; what limits each path stands below.`
  return page.replace(verdictPattern, over === 0 ? verdict : found)
}
