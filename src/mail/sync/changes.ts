// A page of a mailbox's history, folded: per message what is left to do when all of it has happened. Pure.

import type { MailChange } from '../../providers/mail.ts'

export interface LabelChange {
  readonly added: string[]
  readonly removed: string[]
}

export interface FoldedChanges {
  /** To be fetched whole where they are not here: their labels come with them. */
  readonly added: string[]
  readonly deleted: string[]
  /** Of those that were added, too. */
  readonly labels: ReadonlyMap<string, LabelChange>
}

/** Of changes oldest first; the last one of each message and label wins. Doubled and overlapping records are harmless. */
export function foldChanges(changes: readonly MailChange[]): FoldedChanges {
  const fates = new Map<string, 'added' | 'deleted'>()
  const labels = new Map<string, Map<string, 'added' | 'removed'>>()
  for (const change of changes) {
    if (!('labelIds' in change)) fates.set(change.id, change.kind)
    else {
      const ofMessage = labels.get(change.id) ?? new Map<string, 'added' | 'removed'>()
      for (const id of change.labelIds) ofMessage.set(id, change.kind === 'labels_added' ? 'added' : 'removed')
      labels.set(change.id, ofMessage)
    }
  }
  const those = (fate: 'added' | 'deleted'): string[] => [...fates].filter(([, it]) => it === fate).map(([id]) => id)
  const lasting = [...labels].filter(([id]) => fates.get(id) !== 'deleted')
  return {
    added: those('added'),
    deleted: those('deleted'),
    labels: new Map(lasting.map(([id, ofMessage]) => [id, labelChange(ofMessage)])),
  }
}

function labelChange(ofMessage: ReadonlyMap<string, 'added' | 'removed'>): LabelChange {
  const those = (how: 'added' | 'removed'): string[] => [...ofMessage].filter(([, it]) => it === how).map(([id]) => id)
  return { added: those('added'), removed: those('removed') }
}
