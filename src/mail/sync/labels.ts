// A mailbox's labels by name: read once an hour, or when a message has one that is not known. A label that is called
// otherwise, or is gone, is so on its messages too.

import type { MailLabel } from '../../providers/mail.ts'
import { facet, facetsOfLabels, labelNameFacet, mailboxFacet, quoteLexeme } from '../search/terms.ts'
import { askPlainly } from './ask.ts'
import { relabelMessages, storeLabels } from './labels.sql.ts'
import { flush, type SyncRun, SyncStop } from './run.ts'

const readEveryMs = 3_600_000
const messagesPerStatement = 1_000
/** A label on more messages than this is finished by the next sync. */
const statementsMost = 20

/** Reads the labels where an hour has passed since they were. */
export async function readLabelsIfDue(run: SyncRun): Promise<void> {
  const { labelsReadAt } = run.lease
  if (labelsReadAt === null || run.deps.clock().getTime() - labelsReadAt.getTime() > readEveryMs) await readLabels(run)
}

/** Reads the labels where one of these is not known, once a sync at most. */
export async function noticeLabels(run: SyncRun, labelIds: readonly string[]): Promise<void> {
  const isUnknown = labelIds.some((id) => !run.labelIds.has(id) && !isSystemLabel(id))
  if (isUnknown && !run.hasReadLabels) await readLabels(run)
}

/** `INBOX`, `CATEGORY_SOCIAL`, `YELLOW_STAR`: named by their ids. */
function isSystemLabel(id: string): boolean {
  return /^[A-Z_]+$/.test(id)
}

async function readLabels(run: SyncRun): Promise<void> {
  run.hasReadLabels = true
  const labels = await askForLabels(run)
  if (labels === null) return
  const names = new Map(labels.filter(({ isSystem }) => !isSystem).map(({ id, name }) => [id, name]))
  const old = run.labelNames
  run.labelNames = names
  run.labelIds = new Set(labels.map(({ id }) => id))
  const unfinished = new Set<string>()
  // A name that comes late (the one before could not be read) is put on what is stored; a first sync has stored nothing.
  const late = run.lease.cursor === null ? [] : [...names.keys()].filter((id) => !old.has(id))
  const renamed = [...old.keys(), ...late].filter((id) => names.get(id) !== old.get(id))
  // What is gathered has the old names: it is stored first, and then found with the rest.
  if (renamed.length > 0 && run.page.messages.size > 0) await flush(run)
  for (const id of renamed) if (!(await relabel(run, id, old.get(id), names))) unfinished.add(id)
  await keep(run, labels, unfinished)
  // Else the next sync goes on with it.
  if (unfinished.size === 0) run.page.patch.labels_read_at_utc = run.deps.clock().toISOString()
}

/** Null where the provider cannot say just now: mail does not wait for the names of its labels. */
async function askForLabels(run: SyncRun): Promise<readonly MailLabel[] | null> {
  try {
    return await askPlainly(run, run.adapter.costs.labels, (token) => run.adapter.labels(token))
  } catch (thrown) {
    if (thrown instanceof SyncStop && thrown.reason.kind === 'failure' && thrown.reason.failure.kind === 'unavailable')
      return null
    throw thrown
  }
}

async function keep(run: SyncRun, labels: readonly MailLabel[], unfinished: ReadonlySet<string>): Promise<void> {
  const before = new Map(run.lease.labels.map((label) => [label.id, label]))
  const changed = labels.filter(({ id, name, isSystem }) => {
    const known = before.get(id)
    return !unfinished.has(id) && (known?.name !== name || known.isSystem !== isSystem)
  })
  const goneIds = [...before.keys()].filter((id) => !run.labelIds.has(id) && !unfinished.has(id))
  if (changed.length === 0 && goneIds.length === 0) return
  await run.deps.db.all(storeLabels, {
    accountId: run.lease.accountId,
    leaseId: run.leaseId,
    labels: JSON.stringify(changed.map(({ id, name, isSystem }) => ({ id, name, is_system: isSystem }))),
    goneIds,
  })
}

/** True where all messages of the label are done. */
async function relabel(
  run: SyncRun,
  id: string,
  oldName: string | undefined,
  names: ReadonlyMap<string, string>,
): Promise<boolean> {
  const name = names.get(id)
  const oldNames = oldName === undefined ? [] : [labelNameFacet(oldName)]
  const newFacets = name === undefined ? [] : facetsOfLabels([], [name])
  if (name !== undefined && oldNames[0] === labelNameFacet(name)) return true
  // `A/B` and `A-B` are asked for by one name.
  const sameNameIds = [...names].filter(([, other]) => labelNameFacet(other) === oldNames[0]).map(([other]) => other)
  const lookup = [mailboxFacet(run.lease.accountId), facet('l', id)].map(quoteLexeme).join(' & ')
  const without = name === undefined ? '' : ` & !${quoteLexeme(labelNameFacet(name))}`
  for (let round = 0; round < statementsMost; round += 1) {
    const row = await run.deps.db.first(relabelMessages, {
      accountId: run.lease.accountId,
      leaseId: run.leaseId,
      lookup: lookup + without,
      labelId: id,
      isGone: name === undefined,
      goneFacets: name === undefined ? [facet('l', id)] : [],
      oldNames,
      sameNameIds,
      newFacets,
      otherIds: [...names.keys()],
      userLabelsFacet:
        facetsOfLabels([], [oldName ?? name ?? id]).find((lexeme) => lexeme.startsWith(':h:')) ?? ':h:userlabels',
      limit: messagesPerStatement,
    })
    if ((row?.count ?? 0) < messagesPerStatement) return true
  }
  return false
}
