// The conventions of every table (DESIGN section 4), asked of the migrated database itself.
import { describe, expect, it } from 'vitest'
import { query } from '../support/database.ts'

const columns = (): Promise<{ table: string; column: string }[]> =>
  query(
    `SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns
     WHERE table_schema = 'public' ORDER BY 1, 2`,
  )

const appendOnly = ['audit_logs']
const suffix = /_(?:id|txt|cd|flg|cnt|nbr|json|utc)$/
/** A list of ids, and the words of a search: no suffix is for them. */
const knownExceptions = ['api_keys.mail_account_ids', 'emails.search_tsv']

describe('the schema', () => {
  it('says of every row when it was made and, where it may change, when it changed', async () => {
    const names = new Map<string, string[]>()
    for (const { table, column } of await columns()) names.set(table, [...(names.get(table) ?? []), column])
    expect(names.size).toBeGreaterThan(10)
    for (const [table, own] of names) {
      expect(own, table).toContain('created_at_utc')
      expect(own.includes('modified_at_utc'), table).toBe(!appendOnly.includes(table))
    }
  })

  it('names every column by its kind', async () => {
    const odd = (await columns()).map(({ table, column }) => `${table}.${column}`).filter((name) => !suffix.test(name))
    expect(odd).toEqual(knownExceptions)
  })
})
