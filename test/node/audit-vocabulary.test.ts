// Every action of the audit trail's closed vocabulary is written somewhere: a word that nothing writes misleads who
// filters by it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { auditActions } from '../../src/db/audit.ts'

const root = join(import.meta.dirname, '../../src')

it('each action of the vocabulary is written by a verb', () => {
  const source = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.tsx?$/.test(path) && !path.startsWith('http/') && path !== 'db/audit.ts')
    .map((path) => readFileSync(join(root, path), 'utf8'))
    .join('\n')
  expect(auditActions.filter((action) => !source.includes(`'${action}'`))).toEqual([])
})
